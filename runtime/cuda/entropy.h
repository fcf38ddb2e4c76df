// Softmax cross-entropy of rows of logits, with the gradient in their place.

#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "runtime/tensor.h"

namespace cairn {

// losses[r] = log-sum-exp of the first `vocab` logits of row r, less that of
// targets[r]; with `gradient`, the logits become scale (their softmax - the
// target's one-hot). Elements beyond `vocab` are left alone.
struct Entropy {
  TensorView logits;   // f32 or bf16 [rows, vocab or more]
  TensorView targets;  // i32 [rows]
  TensorView losses;   // f32 [rows]
  std::int64_t vocab = 0;
  float scale = 1.0F;
  bool gradient = false;
};
void run_entropy(cudaStream_t stream, const Entropy& op);

}  // namespace cairn
