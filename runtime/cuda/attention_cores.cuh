// What attention in bf16 shares: tiles of rows in shared memory, fetched while
// the tiles before are worked on, and their products on tensor cores, summed in
// f32. A block is four warps; each holds 16 M rows of a product. Where lanes
// and registers lie in a product is that of PTX's mma.m16n8k16 and ldmatrix.

#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "runtime/cuda/attention_tiles.cuh"

namespace cairn {

inline constexpr int kCoreThreads = 128;
inline constexpr float kLog2e = 1.4426950408889634F;

using Word = std::uint32_t;  // two elements

// Elements from row to row: any eight rows start in different banks.
template <int D>
inline constexpr int kRow = D + 8;

__device__ inline unsigned shared_place(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

// Enqueues a copy of 16 bytes, or of zeros.
__device__ inline void fetch16(Bf16* to, const Bf16* from, bool there) {
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_place(to)),
      "l"(from), "r"(there ? 16 : 0));
}
__device__ inline void fetch4(float* to, const float* from, bool there) {
  asm volatile(
      "cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_place(to)),
      "l"(from), "r"(there ? 4 : 0));
}
// Waits for what this thread fetched.
__device__ inline void wait_for_fetches() {
  asm volatile("cp.async.wait_all;" ::: "memory");
}

// Rows [first, first + n) of a head to a tile; beyond its end and size, zeros.
template <int D, int n>
__device__ void fetch_rows(const Heads& h, const Bf16* from,
                           std::int64_t stride, int first, Bf16* tile) {
  for (int i = threadIdx.x; i < n * (D / 8); i += kCoreThreads) {
    const int row = i / (D / 8);
    const int column = i % (D / 8) * 8;
    Bf16* const to = tile + row * kRow<D> + column;
    const bool there = first + row < h.sequence;
    const Bf16* const place = from + (first + row) * stride + column;
    if (h.wide) {
      const bool all = there && column < h.size;
      fetch16(to, all ? place : from, all);
      continue;
    }
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      to[k] = there && column + k < h.size ? place[k] : Bf16{};
    }
  }
}

// Four matrices of 8 x 8; lane l points at row l % 8 of matrix l / 8.
__device__ inline void load_matrices(Word (&to)[4], const Bf16* row) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
      : "r"(shared_place(row))
      : "memory");
}
__device__ inline void load_transposed(Word (&to)[4], const Bf16* row) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
      : "r"(shared_place(row))
      : "memory");
}

// c += a b, a being 16 x 16 and b 16 x 8.
__device__ inline void multiply(float (&c)[4], const Word (&a)[4], Word b0,
                                Word b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ inline Word pack(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const Word*>(&pair);
}

// What a lane holds of 16 M rows and N columns: of block i and columns
// [8 j, 8 j + 8), rows g and g + 8 (g = lane / 4), two columns each, from
// 2 (lane % 4) on: value 2 r + c is that of row g + 8 r.
template <int M, int N>
using Sums = float[M][N / 8][4];
template <int M, int N>
using Packed = Word[M][N / 16][4];

// sums += a b^T: 16 M rows of a, N rows of b, both D wide.
template <int D, int M, int N>
__device__ void add_scores(const Bf16* a, const Bf16* b, Sums<M, N>& sums) {
  const int lane = threadIdx.x % 32;
  a += lane % 16 * kRow<D> + lane / 16 * 8;
  b += (lane / 16 * 8 + lane % 8) * kRow<D> + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < D; k += 16) {
    Word left[M][4];
#pragma unroll
    for (int i = 0; i < M; ++i) {
      load_matrices(left[i], a + i * 16 * kRow<D> + k);
    }
#pragma unroll
    for (int j = 0; j < N / 8; j += 2) {
      Word right[4];
      load_matrices(right, b + j * 8 * kRow<D> + k);
#pragma unroll
      for (int i = 0; i < M; ++i) {
        multiply(sums[i][j], left[i], right[0], right[1]);
        multiply(sums[i][j + 1], left[i], right[2], right[3]);
      }
    }
  }
}

// sums += p b: p 16 M rows of K, b K rows of a tile, its first W columns.
template <int D, int M, int K, int W>
__device__ void add_weighted(const Packed<M, K>& p, const Bf16* b,
                             Sums<M, W>& sums) {
  const int lane = threadIdx.x % 32;
  b += lane % 16 * kRow<D> + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < K / 16; ++k) {
#pragma unroll
    for (int j = 0; j < W / 8; j += 2) {
      Word right[4];
      load_transposed(right, b + k * 16 * kRow<D> + j * 8);
#pragma unroll
      for (int i = 0; i < M; ++i) {
        multiply(sums[i][j], p[i][k], right[0], right[1]);
        multiply(sums[i][j + 1], p[i][k], right[2], right[3]);
      }
    }
  }
}

// A product's result as the left side of the next.
template <int M, int N>
__device__ void pack_sums(const Sums<M, N>& sums, Packed<M, N>& packed) {
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int k = 0; k < N / 16; ++k) {
      packed[i][k][0] = pack(sums[i][2 * k][0], sums[i][2 * k][1]);
      packed[i][k][1] = pack(sums[i][2 * k][2], sums[i][2 * k][3]);
      packed[i][k][2] = pack(sums[i][2 * k + 1][0], sums[i][2 * k + 1][1]);
      packed[i][k][3] = pack(sums[i][2 * k + 1][2], sums[i][2 * k + 1][3]);
    }
  }
}

// Rows [first, ...), times a factor for each, to columns [column, ...) of a
// head.
template <int M, int W>
__device__ void store_sums(const Heads& h, Bf16* to, std::int64_t stride,
                           int first, int column, const Sums<M, W>& sums,
                           const float (&factors)[M][2]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = first + i * 16 + r * 8 + lane / 4;
      if (row >= h.sequence) continue;
#pragma unroll
      for (int j = 0; j < W / 8; ++j) {
        const int own = column + j * 8 + lane % 4 * 2;
        Bf16* const place = to + row * stride + own;
        const float low = sums[i][j][2 * r] * factors[i][r];
        const float high = sums[i][j][2 * r + 1] * factors[i][r];
        if (h.wide && own < h.size) {
          *reinterpret_cast<Word*>(place) = pack(low, high);
          continue;
        }
        if (own < h.size) place[0] = __float2bfloat16_rn(low);
        if (own + 1 < h.size) place[1] = __float2bfloat16_rn(high);
      }
    }
  }
}

// Over the four lanes that share a row.
__device__ inline float lanes_sum(float v) {
  v += __shfl_xor_sync(0xFFFFFFFFU, v, 1);
  return v + __shfl_xor_sync(0xFFFFFFFFU, v, 2);
}
__device__ inline float lanes_max(float v) {
  v = fmaxf(v, __shfl_xor_sync(0xFFFFFFFFU, v, 1));
  return fmaxf(v, __shfl_xor_sync(0xFFFFFFFFU, v, 2));
}

}  // namespace cairn
