// Sums of rows of partial sums, in order: how gradients of biases and of norm
// weights end.

#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace cairn {

// to[c] = (to[c] +) the sum over i of from[i * stride + c], i in order.
struct ColumnFold {
  const float* from;
  std::int64_t rows;
  std::int64_t stride;
  bool accumulate;
  float* to;
  std::int64_t columns;
};
void fold_columns(cudaStream_t stream, const ColumnFold& fold);

}  // namespace cairn
