// Sums over rows, in an order that depends on shapes alone: how gradients of
// biases and of norm weights are made.

#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "runtime/cuda/ops.h"

namespace cairn {

// to[c] = (to[c] +) the sum over i of from[i * stride + c].
struct ColumnFold {
  const float* from;
  std::int64_t rows;
  std::int64_t stride;
  bool accumulate;
  float* to;
  std::int64_t columns;
};
void fold_columns(cudaStream_t stream, const ColumnFold& fold);

// sums = (sums +) x summed over rows, by partial sums in the lane's scratch.
// With `pre`, x is first multiplied by GELU's slope there, in place, and `sums`
// may be none.
struct ColumnSums {
  TensorView x;     // [rows, columns]
  TensorView pre;   // [rows, columns], or none
  TensorView sums;  // f32 [columns]
  bool accumulate = false;
};
void sum_columns(const Lane& lane, const ColumnSums& op);

}  // namespace cairn
