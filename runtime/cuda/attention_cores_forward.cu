// Attention forward in bf16 on tensor cores: a block takes 64 M queries of one
// head, 16 M a warp, and goes over tiles of N keys, the softmax carried along
// (Dao, "FlashAttention-2", 2023).

#include <cmath>

#include "runtime/cuda/attention_cores.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

struct Arguments {
  Heads h;
  const Bf16* qkv;
  Bf16* out;
  float* lse;
};

// Of the rows that a lane holds; maxima are in units of log 2.
template <int M>
struct Softmax {
  float max[M][2];
  float sum[M][2];  // of this lane's columns
};

// sums = 2^(sums scale - max) where causality lets a row see the column; what
// was summed before is multiplied by `keep`.
template <int M, int N>
__device__ void advance(float scale, int row, int column, Sums<M, N>& sums,
                        Softmax<M>& softmax, float (&keep)[M][2]) {
  const int lane = threadIdx.x % 32;
  const bool masked = column + N - 1 > row;
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int last = row + i * 16 + r * 8 + lane / 4;
      float top = -INFINITY;
#pragma unroll
      for (int j = 0; j < N / 8; ++j) {
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          float& s = sums[i][j][2 * r + c];
          if (masked && column + j * 8 + lane % 4 * 2 + c > last) s = -INFINITY;
          top = fmaxf(top, s);
        }
      }
      top = fmaxf(softmax.max[i][r], lanes_max(top) * scale);
      keep[i][r] = exp2_fast(softmax.max[i][r] - top);
      softmax.max[i][r] = top;
      float sum = softmax.sum[i][r] * keep[i][r];
#pragma unroll
      for (int j = 0; j < N / 8; ++j) {
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          float& s = sums[i][j][2 * r + c];
          s = exp2_fast(fmaf(s, scale, -top));
          sum += s;
        }
      }
      softmax.sum[i][r] = sum;
    }
  }
}

template <int M, int W>
__device__ void scale_rows(Sums<M, W>& sums, const float (&factors)[M][2]) {
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int j = 0; j < W / 8; ++j) {
#pragma unroll
      for (int k = 0; k < 4; ++k) sums[i][j][k] *= factors[i][k / 2];
    }
  }
}

// Sets lse of rows [row, ...), and what their sums must be multiplied by.
template <int M>
__device__ void finish(const Heads& h, int row, const Softmax<M>& softmax,
                       float* lse, float (&inverse)[M][2]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int at = row + i * 16 + r * 8 + lane / 4;
      const float sum = lanes_sum(softmax.sum[i][r]);
      inverse[i][r] = 1.0F / sum;
      if (lane % 4 > 0 || at >= h.sequence) continue;
      lse[at] = (softmax.max[i][r] + log2f(sum)) / kLog2e;
    }
  }
}

template <int D, int M, int N>
struct Tiles {
  static constexpr int kQueries = 64 * M;
  static constexpr int kBytes = (kQueries + 4 * N) * kRow<D> * 2;
  Bf16* q;
  Bf16* k;  // two tiles
  Bf16* v;  // two tiles

  __device__ explicit Tiles(Bf16* shared)
      : q(shared), k(q + kQueries * kRow<D>), v(k + 2 * N * kRow<D>) {}
};

template <int D, int M, int N>
__global__ __launch_bounds__(kCoreThreads) void forward_kernel(Arguments a) {
  extern __shared__ __align__(16) Bf16 shared_rows[];
  const Tiles<D, M, N> tiles(shared_rows);
  const Heads& h = a.h;
  const int sample = blockIdx.y / h.heads;
  const int head = blockIdx.y % h.heads;
  const int group = head / (h.heads / h.kv_heads);
  // The longest rows go first.
  const int row = (gridDim.x - 1 - blockIdx.x) * 64 * M;
  const int own = row + threadIdx.x / 32 * 16 * M;
  const Bf16* const k = a.qkv + h.k(sample, group);
  const Bf16* const v = a.qkv + h.v(sample, group);
  const auto fetch = [&](int column) {
    const int half = column / N % 2 * N * kRow<D>;
    fetch_rows<D, N>(h, k, h.stride(), column, tiles.k + half);
    fetch_rows<D, N>(h, v, h.stride(), column, tiles.v + half);
  };
  fetch_rows<D, 64 * M>(h, a.qkv + h.q(sample, head), h.stride(), row, tiles.q);
  fetch(0);
  Softmax<M> softmax;
  Sums<M, D> out = {};
#pragma unroll
  for (int i = 0; i < M; ++i) {
    softmax.max[i][0] = softmax.max[i][1] = -INFINITY;
    softmax.sum[i][0] = softmax.sum[i][1] = 0.0F;
  }
  const int end = min(row + 64 * M, h.sequence);
  for (int column = 0; column < end; column += N) {
    wait_for_fetches();
    __syncthreads();
    if (column + N < end) fetch(column + N);
    if (column >= own + 16 * M) continue;
    const int half = column / N % 2 * N * kRow<D>;
    Sums<M, N> scores = {};
    add_scores<D, M, N>(tiles.q + (own - row) * kRow<D>, tiles.k + half,
                        scores);
    float keep[M][2];
    advance<M, N>(h.scale * kLog2e, own, column, scores, softmax, keep);
    scale_rows<M, D>(out, keep);
    Packed<M, N> p;
    pack_sums<M, N>(scores, p);
    add_weighted<D, M, N, D>(p, tiles.v + half, out);
  }
  float inverse[M][2];
  finish<M>(h, own, softmax, a.lse + h.lse(sample, head), inverse);
  store_sums<M, D>(h, a.out + h.out(sample, head), h.out_stride(), own, 0, out,
                   inverse);
}

template <int D, int M, int N>
void launch(const Lane& lane, const AttentionForward& op) {
  const AttentionShape& s = op.shape;
  const Arguments a = {heads_of(s, is_wide(s.head_size, op.qkv, op.out)),
                       data_of<Bf16>(op.qkv), data_of<Bf16>(op.out),
                       op.lse.as<float>()};
  constexpr int kBytes = Tiles<D, M, N>::kBytes;
  check(
      cudaFuncSetAttribute(forward_kernel<D, M, N>,
                           cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
      "asking for shared memory for attention_forward");
  const dim3 grid(blocks_of(s.sequence, 64 * M),
                  blocks_of(s.samples * s.heads, 1));
  forward_kernel<D, M, N><<<grid, kCoreThreads, kBytes, lane.stream>>>(a);
  check_launch("attention_forward");
}

}  // namespace

void run_cores(const Lane& lane, const AttentionForward& op) {
  const std::int64_t size = op.shape.head_size;
  if (size <= 32) return launch<32, 2, 64>(lane, op);
  if (size <= 64) return launch<64, 2, 64>(lane, op);
  if (size <= 96) return launch<96, 2, 64>(lane, op);
  if (size <= 128) return launch<128, 2, 64>(lane, op);
  launch<256, 1, 32>(lane, op);
}

}  // namespace cairn
