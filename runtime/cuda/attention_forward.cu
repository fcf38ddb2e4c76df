// Attention forward: a block takes a tile of queries of one head and goes over
// the tiles of keys that they see, the softmax carried along (Milakov and
// Gimelshein, 2018; Dao et al., 2022).

#include <cmath>

#include "runtime/cuda/attention_tiles.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

struct Arguments {
  Heads h;
  const float* qkv;
  float* out;
  float* lse;
};

template <int R>
struct Softmax {
  float max[R];
  float sum[R];
  float keep[R];  // what earlier sums must be multiplied by
};

// scores = exp(scores * scale - max), where causality lets a row see them.
template <int R>
__device__ void advance(const Heads& h, int row, int column,
                        float (&scores)[R][R], Softmax<R>& softmax) {
  const int x = threadIdx.x % 16;
  const int y = threadIdx.x / 16;
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int last = min(row + y * R + i, h.sequence - 1);
    float top = -INFINITY;
#pragma unroll
    for (int j = 0; j < R; ++j) {
      const bool seen = column + x + 16 * j <= last;
      scores[i][j] = seen ? scores[i][j] * h.scale : -INFINITY;
      top = fmaxf(top, scores[i][j]);
    }
    top = fmaxf(softmax.max[i], row_max(top));
    float sum = 0.0F;
#pragma unroll
    for (int j = 0; j < R; ++j) {
      scores[i][j] = expf(scores[i][j] - top);
      sum += scores[i][j];
    }
    softmax.keep[i] = expf(softmax.max[i] - top);
    softmax.sum[i] = softmax.sum[i] * softmax.keep[i] + row_sum(sum);
    softmax.max[i] = top;
  }
}

template <int S, int R>
__global__ __launch_bounds__(256) void forward_kernel(Arguments a) {
  extern __shared__ float shared[];
  float* const q = shared;
  float* const kv = q + 16 * R * kPitch<S>;
  float* const p = kv + 16 * R * kPitch<S>;
  const Heads& h = a.h;
  const int sample = blockIdx.y / h.heads;
  const int head = blockIdx.y % h.heads;
  const int group = head / (h.heads / h.kv_heads);
  // The longest rows go first.
  const int row = (gridDim.x - 1 - blockIdx.x) * 16 * R;
  load_tile<S, R>(h, a.qkv + h.q(sample, head), h.stride(), row, q);
  Softmax<R> softmax;
  float sums[R][S / 16] = {};
#pragma unroll
  for (int i = 0; i < R; ++i) {
    softmax.max[i] = -INFINITY;
    softmax.sum[i] = 0.0F;
  }
  for (int column = 0; column <= row; column += 16 * R) {
    __syncthreads();
    load_tile<S, R>(h, a.qkv + h.k(sample, group), h.stride(), column, kv);
    __syncthreads();
    float scores[R][R];
    score_tile<S, R>(q, kv, scores);
    advance<R>(h, row, column, scores, softmax);
#pragma unroll
    for (int i = 0; i < R; ++i) {
#pragma unroll
      for (int g = 0; g < S / 16; ++g) sums[i][g] *= softmax.keep[i];
    }
    store_scores<R>(p, scores);
    __syncthreads();
    load_tile<S, R>(h, a.qkv + h.v(sample, group), h.stride(), column, kv);
    __syncthreads();
    add_product<S, R, false>(p, kv, sums);
  }
  float inverse[R];
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int own = row + threadIdx.x / 16 * R + i;
    inverse[i] = 1.0F / softmax.sum[i];
    if (threadIdx.x % 16 == 0 && own < h.sequence) {
      a.lse[h.lse(sample, head) + own] = softmax.max[i] + logf(softmax.sum[i]);
    }
  }
  store_rows<S, R>(h, a.out + h.out(sample, head), h.out_stride(), row, sums,
                   inverse);
}

template <int S, int R>
void launch(const Lane& lane, const AttentionForward& op) {
  const AttentionShape& s = op.shape;
  const bool wide = is_wide(s.head_size, op.qkv);
  const Arguments a = {heads_of(s, wide), data_of<float>(op.qkv),
                       data_of<float>(op.out), op.lse.as<float>()};
  constexpr int kBytes =
      (2 * kPitch<S> + kScorePitch<R>)*16 * R * static_cast<int>(sizeof(float));
  check(
      cudaFuncSetAttribute(forward_kernel<S, R>,
                           cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
      "asking for shared memory for attention_forward");
  const dim3 grid(blocks_of(s.sequence, 16 * R),
                  blocks_of(s.samples * s.heads, 1));
  forward_kernel<S, R><<<grid, 256, kBytes, lane.stream>>>(a);
  check_launch("attention_forward");
}

}  // namespace

Heads heads_of(const AttentionShape& s, bool wide) {
  require(s.samples * s.heads < 65536,
          "attention: over 65535 heads of samples at once");
  return {static_cast<int>(s.sequence),
          static_cast<int>(s.heads),
          static_cast<int>(s.kv_heads),
          static_cast<int>(s.head_size),
          1.0F / std::sqrt(static_cast<float>(s.head_size)),
          wide};
}

void run_tiles(const Lane& lane, const AttentionForward& op) {
  const std::int64_t size = op.shape.head_size;
  if (size <= 32) return launch<32, 4>(lane, op);
  if (size <= 64) return launch<64, 4>(lane, op);
  if (size <= 128) return launch<128, 4>(lane, op);
  launch<256, 4>(lane, op);
}

}  // namespace cairn
