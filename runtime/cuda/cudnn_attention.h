// Causal attention by cuDNN, in bf16, straight on packed q, k, v. Plans are
// made at the first forward of a shape, which takes a second, and kept. One
// stream at a time.
//
// What it computes with a shape depends on the shape, the room it is given and
// the version of cuDNN alone. Equal operands give equal bits, but for a
// backward that need not be deterministic.

#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <span>

#include "runtime/kernels.h"

namespace cairn {

class CudnnAttention {
 public:
  explicit CudnnAttention(bool deterministic);
  ~CudnnAttention();

  CudnnAttention(const CudnnAttention&) = delete;
  CudnnAttention& operator=(const CudnnAttention&) = delete;

  // False, and nothing is enqueued, where cuDNN was not built in, does not
  // serve the operation, or has not enough room for any part of it.
  bool run(cudaStream_t stream, const AttentionForward& op,
           std::span<std::byte> room);
  bool run(cudaStream_t stream, const AttentionBackward& op);

 private:
  class Plans;

  bool deterministic_;
  std::unique_ptr<Plans> plans_;  // none until something is served
};

bool cudnn_is_built();

}  // namespace cairn
