// Sums over the threads of a block, in an order that is always the same.

#pragma once

#include <cuda_runtime.h>

namespace cairn {

template <typename T>
__device__ T warp_sum(T x) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    x += __shfl_xor_sync(0xFFFFFFFFU, x, step);
  }
  return x;
}

// The sum over the block, for every thread. Blocks are whole warps.
template <typename T>
__device__ T block_sum(T x) {
  __shared__ T sums[32];
  const unsigned warps = blockDim.x / 32;
  x = warp_sum(x);
  __syncthreads();  // an earlier sum may still be read
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
  __syncthreads();
  T all = 0;
  for (unsigned w = 0; w < warps; ++w) all += sums[w];
  return all;
}

__device__ inline float block_max(float x) {
  __shared__ float most[32];
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFU, x, step));
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) most[threadIdx.x / 32] = x;
  __syncthreads();
  for (unsigned w = 0; w < blockDim.x / 32; ++w) x = fmaxf(x, most[w]);
  return x;
}

}  // namespace cairn
