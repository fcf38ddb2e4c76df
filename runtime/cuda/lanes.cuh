// How kernels go over rows and ranges: in lanes of 16 bytes, each loaded and
// stored at once where the operands are aligned, element by element where not.
// Arithmetic is f32 whatever the element type.

#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "runtime/cuda/status.h"
#include "runtime/error.h"
#include "runtime/tensor.h"

namespace cairn {

using Bf16 = __nv_bfloat16;

template <typename T>
inline constexpr int kLanes = 16 / static_cast<int>(sizeof(T));
inline constexpr int kThreads = 256;

// work(T{}) with T the element type of activations.
template <typename Work>
void by_type(DType dtype, const Work& work) {
  dtype == DType::kBF16 ? work(Bf16{}) : work(float{});
}

// The elements, whatever their type; null for no tensor.
template <typename T>
T* data_of(const TensorView& view) {
  return reinterpret_cast<T*>(view.data);
}

inline bool is_aligned(const TensorView& view) {
  return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
}

// Whether rows of `width` can be read by lanes of eight elements.
template <typename... Views>
bool is_wide(std::int64_t width, const Views&... views) {
  return width % 8 == 0 && (is_aligned(views) && ...);
}

inline unsigned blocks_of(std::int64_t n, std::int64_t each) {
  const std::int64_t blocks = (n + each - 1) / each;
  require(blocks < (std::int64_t{1} << 31), "too large for one kernel");
  return static_cast<unsigned>(blocks);
}

// A lane as it lies in memory: how rows are held in registers.
template <typename T>
struct alignas(16) PackedLane {
  std::uint32_t words[4] = {};

  __device__ float operator[](int i) const {
    if constexpr (sizeof(T) == 4) {
      return __uint_as_float(words[i]);
    } else {
      const std::uint32_t word = words[i / 2];
      return __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xFFFF0000U);
    }
  }
};

template <typename T>
__device__ PackedLane<T> packed(const float* x) {
  PackedLane<T> lane;
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    if constexpr (sizeof(T) == 4) {
      lane.words[w] = __float_as_uint(x[w]);
    } else {
      const __nv_bfloat162 pair = __floats2bfloat162_rn(x[2 * w], x[2 * w + 1]);
      lane.words[w] = *reinterpret_cast<const std::uint32_t*>(&pair);
    }
  }
  return lane;
}

// A whole aligned lane.
template <typename T>
__device__ PackedLane<T> load_whole(const T* p) {
  PackedLane<T> lane;
  *reinterpret_cast<uint4*>(lane.words) = *reinterpret_cast<const uint4*>(p);
  return lane;
}

template <typename T>
__device__ void store_whole(T* p, const PackedLane<T>& lane) {
  *reinterpret_cast<uint4*>(p) = *reinterpret_cast<const uint4*>(lane.words);
}

// N elements from `p`, of which `left` are there; others are 0.
template <int N, typename T>
__device__ void load(const T* p, std::int64_t left, bool wide, float (&x)[N]) {
  constexpr int kEach = kLanes<T>;
  static_assert(N % kEach == 0);
  if (wide && left >= N) {
#pragma unroll
    for (int i = 0; i < N; i += kEach) {
      const PackedLane<T> lane = load_whole(p + i);
#pragma unroll
      for (int k = 0; k < kEach; ++k) x[i + k] = lane[k];
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    x[i] = i < left ? static_cast<float>(p[i]) : 0.0F;
  }
}

template <int N, typename T>
__device__ void store(T* p, std::int64_t left, bool wide, const float (&x)[N]) {
  constexpr int kEach = kLanes<T>;
  static_assert(N % kEach == 0);
  if (wide && left >= N) {
#pragma unroll
    for (int i = 0; i < N; i += kEach) store_whole(p + i, packed<T>(x + i));
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    if (i < left) p[i] = static_cast<T>(x[i]);
  }
}

// The lane at `p`, as above.
template <typename T>
__device__ PackedLane<T> load_lane(const T* p, std::int64_t left, bool wide) {
  if (wide && left >= kLanes<T>) return load_whole(p);
  float x[kLanes<T>];
  load(p, left, false, x);
  return packed<T>(x);
}

template <int N, typename Work>
__global__ void each_kernel(std::int64_t n, Work work) {
  const std::int64_t i =
      (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
  if (i < n) work(i, n - i);
}

// work(i, left) for i = 0, N, 2 N, ... below n.
template <int N, typename Work>
void for_each(cudaStream_t stream, std::int64_t n, const Work& work) {
  if (n == 0) return;
  each_kernel<N><<<blocks_of(n, kThreads * N), kThreads, 0, stream>>>(n, work);
}

template <int N, typename Work>
__global__ void rows_kernel(unsigned pieces, unsigned groups,
                            std::int64_t width, Work work) {
  const unsigned piece = blockIdx.x * kThreads + threadIdx.x;
  if (piece >= pieces) return;
  const std::int64_t row = piece / groups;
  const std::int64_t column = std::int64_t{piece % groups} * N;
  work(row, column, width - column);
}

// work(row, column, left) for every row and for columns 0, N, 2 N, ...
template <int N, typename Work>
void for_rows(cudaStream_t stream, std::int64_t rows, std::int64_t width,
              const Work& work) {
  const std::int64_t groups = (width + N - 1) / N;
  const std::int64_t pieces = rows * groups;
  if (pieces == 0) return;
  require(pieces < (std::int64_t{1} << 31), "too large for one kernel");
  rows_kernel<N><<<blocks_of(pieces, kThreads), kThreads, 0, stream>>>(
      static_cast<unsigned>(pieces), static_cast<unsigned>(groups), width,
      work);
}

}  // namespace cairn
