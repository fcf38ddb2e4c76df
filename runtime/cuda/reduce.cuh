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

// The sums over the threads of one threadIdx.y, whole warps, for each of them.
// All threads of the block call it together. `turn` alternates between 0 and 1
// from call to call, so that sums may still be read while the next are written.
template <int K>
__device__ void group_sum(float (&x)[K], int turn) {
  __shared__ float sums[2][32][K];
  const unsigned warps = blockDim.x / 32;
#pragma unroll
  for (int k = 0; k < K; ++k) x[k] = warp_sum(x[k]);
  if (warps == 1) return;
  const unsigned first = threadIdx.y * warps;
  if (threadIdx.x % 32 == 0) {
#pragma unroll
    for (int k = 0; k < K; ++k) sums[turn][first + threadIdx.x / 32][k] = x[k];
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < K; ++k) {
    x[k] = 0.0F;
    for (unsigned w = 0; w < warps; ++w) x[k] += sums[turn][first + w][k];
  }
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
