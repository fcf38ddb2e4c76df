// The operations of the CUDA body: each enqueues its kernels on a stream.
// Operands have been checked (runtime/checks/op_checks.h). No call waits.

#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "runtime/cuda/cudnn_attention.h"
#include "runtime/cuda/matmul.h"
#include "runtime/cuda/workspace.h"
#include "runtime/kernels.h"

namespace cairn {

// What an operation works with. `scratch` holds partial sums and products; it
// is free between operations. Where `deterministic` is false, an operation may
// add in an order that differs from call to call.
struct Lane {
  cudaStream_t stream;
  Matmul& matmul;
  CudnnAttention& cudnn;
  std::byte* scratch;
  bool deterministic;
};

void run(const Lane& lane, const LinearForward& op);
void run(const Lane& lane, const LinearBackwardInput& op);
void run(const Lane& lane, const LinearBackwardWeight& op);
void run(const Lane& lane, const NormForward& op);
void run(const Lane& lane, const NormBackward& op);
void run(const Lane& lane, const AttentionForward& op);
void run(const Lane& lane, const AttentionBackward& op);
// Of f32, and of bf16 on tensor cores.
void run_tiles(const Lane& lane, const AttentionForward& op);
void run_tiles(const Lane& lane, const AttentionBackward& op);
void run_cores(const Lane& lane, const AttentionForward& op);
void run_cores(const Lane& lane, const AttentionBackward& op);
void run(const Lane& lane, const Rotary& op);
void run(const Lane& lane, const SwigluForward& op);
void run(const Lane& lane, const SwigluBackward& op);
void run(const Lane& lane, const Gelu& op);
void run(const Lane& lane, const EmbeddingForward& op);
void run(const Lane& lane, const EmbeddingBackward& op);
void run(const Lane& lane, const ScatterRows& op);
void run(const Lane& lane, const HeadLoss& op);
void run(const Lane& lane, const SquaredNorm& op);
void run(const Lane& lane, const ClipFactor& op);
void run(const Lane& lane, const AdamW& op);
void run(const Lane& lane, const FillNormal& op);
void run_fill(const Lane& lane, const TensorView& x, float value);
void run_cast(const Lane& lane, const TensorView& x, const TensorView& y);
void run_add(const Lane& lane, const TensorView& x, const TensorView& y);
void run_dropout(const Lane& lane, const TensorView& x, const TensorView& y,
                 const Dropout& dropout, std::int64_t sequence);
void run_all_finite(const Lane& lane, const TensorView& x,
                    const TensorView& finite);

}  // namespace cairn
