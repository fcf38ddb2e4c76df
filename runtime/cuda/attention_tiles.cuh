// What the attention kernels in f32 share: tiles of rows in shared memory, and
// the products of tiles. A block is 16 x 16 threads; a tile is 16 R
// rows of S floats, S being the head size rounded up. Thread (y, x) holds rows
// y R + i of a product and, of scores, columns x + 16 j.

#pragma once

#include <algorithm>

#include "runtime/cuda/lanes.cuh"
#include "runtime/kernels.h"

namespace cairn {

// How one block sees its head.
struct Heads {
  int sequence;
  int heads;
  int kv_heads;
  int size;
  float scale;
  bool wide;

  __device__ std::int64_t stride() const {
    return std::int64_t{heads + 2 * kv_heads} * size;
  }
  __device__ std::int64_t out_stride() const {
    return std::int64_t{heads} * size;
  }
  __device__ std::int64_t q(int sample, int head) const {
    return sample * stride() * sequence + std::int64_t{head} * size;
  }
  __device__ std::int64_t k(int sample, int kv) const {
    return q(sample, heads + kv);
  }
  __device__ std::int64_t v(int sample, int kv) const {
    return q(sample, heads + kv_heads + kv);
  }
  __device__ std::int64_t out(int sample, int head) const {
    return sample * out_stride() * sequence + std::int64_t{head} * size;
  }
  __device__ std::int64_t lse(int sample, int head) const {
    return (std::int64_t{sample} * heads + head) * sequence;
  }
};

Heads heads_of(const AttentionShape& shape, bool wide);

template <int S>
inline constexpr int kPitch = S + 4;  // of a tile's rows
template <int R>
inline constexpr int kScorePitch = 16 * R + 4;
template <int S>
inline constexpr int kWidth = S / 16 < 4 ? S / 16 : 4;  // columns side by side

// Rows [first, ...) of a head to a tile; beyond its end and size, zeros.
template <int S, int R>
__device__ void load_tile(const Heads& h, const float* from,
                          std::int64_t stride, int first, float* tile) {
  for (int i = threadIdx.x; i < 16 * R * (S / 8); i += 256) {
    const int row = i / (S / 8);
    const int column = i % (S / 8) * 8;
    float v[8] = {};
    if (first + row < h.sequence) {
      load(from + (first + row) * stride + column, h.size - column, h.wide, v);
    }
    float4* to = reinterpret_cast<float4*>(tile + row * kPitch<S> + column);
    to[0] = {v[0], v[1], v[2], v[3]};
    to[1] = {v[4], v[5], v[6], v[7]};
  }
}

// scores = a b^T
template <int S, int R>
__device__ void score_tile(const float* a, const float* b,
                           float (&scores)[R][R]) {
  const int x = threadIdx.x % 16;
  const int y = threadIdx.x / 16;
#pragma unroll
  for (int i = 0; i < R; ++i) {
#pragma unroll
    for (int j = 0; j < R; ++j) scores[i][j] = 0.0F;
  }
#pragma unroll 4
  for (int d = 0; d < S; d += 4) {
    float4 left[R];
    float4 right[R];
#pragma unroll
    for (int i = 0; i < R; ++i) {
      left[i] =
          *reinterpret_cast<const float4*>(a + (y * R + i) * kPitch<S> + d);
      right[i] =
          *reinterpret_cast<const float4*>(b + (x + 16 * i) * kPitch<S> + d);
    }
#pragma unroll
    for (int i = 0; i < R; ++i) {
#pragma unroll
      for (int j = 0; j < R; ++j) {
        float s = scores[i][j];
        s = fmaf(left[i].x, right[j].x, s);
        s = fmaf(left[i].y, right[j].y, s);
        s = fmaf(left[i].z, right[j].z, s);
        scores[i][j] = fmaf(left[i].w, right[j].w, s);
      }
    }
  }
}

template <int R>
__device__ void store_scores(float* to, const float (&scores)[R][R]) {
  const int x = threadIdx.x % 16;
  const int y = threadIdx.x / 16;
#pragma unroll
  for (int i = 0; i < R; ++i) {
#pragma unroll
    for (int j = 0; j < R; ++j) {
      to[(y * R + i) * kScorePitch<R> + x + 16 * j] = scores[i][j];
    }
  }
}

// Adds p b, or p^T b, to what this thread holds: p a tile of scores.
template <int S, int R, bool transposed>
__device__ void add_product(const float* p, const float* b,
                            float (&sums)[R][S / 16]) {
  constexpr int W = kWidth<S>;
  const int x = threadIdx.x % 16;
  const int y = threadIdx.x / 16;
#pragma unroll 4
  for (int k = 0; k < 16 * R; ++k) {
    float left[R];
#pragma unroll
    for (int i = 0; i < R; ++i) {
      left[i] = transposed ? p[k * kScorePitch<R> + y * R + i]
                           : p[(y * R + i) * kScorePitch<R> + k];
    }
#pragma unroll
    for (int g = 0; g < S / 16; g += W) {
      float right[W];
#pragma unroll
      for (int w = 0; w < W; ++w) {
        right[w] = b[k * kPitch<S> + g * 16 + x * W + w];
      }
#pragma unroll
      for (int i = 0; i < R; ++i) {
#pragma unroll
        for (int w = 0; w < W; ++w) {
          sums[i][g + w] = fmaf(left[i], right[w], sums[i][g + w]);
        }
      }
    }
  }
}

// Row y R + i, times factors[i], to rows [first, ...) of a head.
template <int S, int R>
__device__ void store_rows(const Heads& h, float* to, std::int64_t stride,
                           int first, const float (&sums)[R][S / 16],
                           const float (&factors)[R]) {
  constexpr int W = kWidth<S>;
  const int x = threadIdx.x % 16;
  const int y = threadIdx.x / 16;
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int row = first + y * R + i;
    if (row >= h.sequence) continue;
#pragma unroll
    for (int g = 0; g < S / 16; ++g) {
      const int column = g / W * W * 16 + x * W + g % W;
      if (column < h.size) {
        to[row * stride + column] = sums[i][g] * factors[i];
      }
    }
  }
}

// Over the 16 threads that share a row.
__device__ inline float row_sum(float v) {
#pragma unroll
  for (int step = 8; step > 0; step /= 2) {
    v += __shfl_xor_sync(0xFFFFFFFFU, v, step);
  }
  return v;
}

__device__ inline float row_max(float v) {
#pragma unroll
  for (int step = 8; step > 0; step /= 2) {
    v = fmaxf(v, __shfl_xor_sync(0xFFFFFFFFU, v, step));
  }
  return v;
}

}  // namespace cairn
