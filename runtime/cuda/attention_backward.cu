// Attention backward, without atomics: one kernel goes over the keys of each
// tile of queries for dq, another over the queries of each tile of keys for dk
// and dv. Both make the probabilities again from lse.

#include "runtime/cuda/attention_tiles.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

struct Arguments {
  Heads h;
  const float* dout;
  const float* qkv;
  const float* out;
  const float* lse;
  float* dqkv;
};

// The four tiles that both kernels hold.
template <int S, int R>
struct Tiles {
  float* q;
  float* dout;
  float* k;
  float* v;
  float* p;   // probabilities; of the first kernel, their gradient
  float* ds;  // of the second kernel only

  __device__ explicit Tiles(float* shared) {
    constexpr int kTile = 16 * R * kPitch<S>;
    q = shared;
    dout = q + kTile;
    k = dout + kTile;
    v = k + kTile;
    p = v + kTile;
    ds = p + 16 * R * kScorePitch<R>;
  }
};

// What a row of queries needs: lse, and delta = dout . out.
template <int R>
struct Rows {
  float lse[R];
  float delta[R];
};

template <int S, int R>
__device__ Rows<R> rows_of(const Arguments& a, int sample, int head, int first,
                           const float* dout) {
  const Heads& h = a.h;
  const int x = threadIdx.x % 16;
  Rows<R> rows;
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int own = threadIdx.x / 16 * R + i;
    const int row = first + own;
    const bool there = row < h.sequence;
    const float* out = a.out + h.out(sample, head) + row * h.out_stride();
    float sum = 0.0F;
    for (int c = x; there && c < h.size; c += 16) {
      sum += dout[own * kPitch<S> + c] * out[c];
    }
    rows.delta[i] = row_sum(sum);
    rows.lse[i] = there ? a.lse[h.lse(sample, head) + row] : 0.0F;
  }
  return rows;
}

// Of queries [row, ...) and keys [column, ...): the probabilities, and ds.
template <int S, int R>
__device__ void make_scores(const Heads& h, const Tiles<S, R>& tiles,
                            const Rows<R>& rows, int row, int column,
                            float (&p)[R][R], float (&ds)[R][R]) {
  const int x = threadIdx.x % 16;
  const int y = threadIdx.x / 16;
  score_tile<S, R>(tiles.q, tiles.k, p);
  score_tile<S, R>(tiles.dout, tiles.v, ds);
#pragma unroll
  for (int i = 0; i < R; ++i) {
    const int own = row + y * R + i;
#pragma unroll
    for (int j = 0; j < R; ++j) {
      const bool seen = own < h.sequence && column + x + 16 * j <= own;
      p[i][j] = seen ? expf(p[i][j] * h.scale - rows.lse[i]) : 0.0F;
      ds[i][j] = p[i][j] * (ds[i][j] - rows.delta[i]) * h.scale;
    }
  }
}

template <int R>
struct Ones {
  float factors[R];
  __device__ Ones() {
#pragma unroll
    for (int i = 0; i < R; ++i) factors[i] = 1.0F;
  }
};

template <int S, int R>
__global__ __launch_bounds__(256) void queries_kernel(Arguments a) {
  extern __shared__ float shared[];
  const Tiles<S, R> tiles(shared);
  const Heads& h = a.h;
  const int sample = blockIdx.y / h.heads;
  const int head = blockIdx.y % h.heads;
  const int group = head / (h.heads / h.kv_heads);
  const int row = (gridDim.x - 1 - blockIdx.x) * 16 * R;
  load_tile<S, R>(h, a.qkv + h.q(sample, head), h.stride(), row, tiles.q);
  load_tile<S, R>(h, a.dout + h.out(sample, head), h.out_stride(), row,
                  tiles.dout);
  __syncthreads();
  const Rows<R> rows = rows_of<S, R>(a, sample, head, row, tiles.dout);
  float dq[R][S / 16] = {};
  for (int column = 0; column <= row; column += 16 * R) {
    __syncthreads();
    load_tile<S, R>(h, a.qkv + h.k(sample, group), h.stride(), column, tiles.k);
    load_tile<S, R>(h, a.qkv + h.v(sample, group), h.stride(), column, tiles.v);
    __syncthreads();
    float p[R][R];
    float ds[R][R];
    make_scores<S, R>(h, tiles, rows, row, column, p, ds);
    store_scores<R>(tiles.p, ds);
    __syncthreads();
    add_product<S, R, false>(tiles.p, tiles.k, dq);
  }
  store_rows<S, R>(h, a.dqkv + h.q(sample, head), h.stride(), row, dq,
                   Ones<R>().factors);
}

template <int S, int R>
__global__ __launch_bounds__(256) void keys_kernel(Arguments a) {
  extern __shared__ float shared[];
  const Tiles<S, R> tiles(shared);
  const Heads& h = a.h;
  const int sample = blockIdx.y / h.kv_heads;
  const int kv = blockIdx.y % h.kv_heads;
  const int group = h.heads / h.kv_heads;
  const int column = blockIdx.x * 16 * R;
  load_tile<S, R>(h, a.qkv + h.k(sample, kv), h.stride(), column, tiles.k);
  load_tile<S, R>(h, a.qkv + h.v(sample, kv), h.stride(), column, tiles.v);
  float dk[R][S / 16] = {};
  float dv[R][S / 16] = {};
  for (int head = kv * group; head < (kv + 1) * group; ++head) {
    for (int row = column; row < h.sequence; row += 16 * R) {
      __syncthreads();
      load_tile<S, R>(h, a.qkv + h.q(sample, head), h.stride(), row, tiles.q);
      load_tile<S, R>(h, a.dout + h.out(sample, head), h.out_stride(), row,
                      tiles.dout);
      __syncthreads();
      const Rows<R> rows = rows_of<S, R>(a, sample, head, row, tiles.dout);
      float p[R][R];
      float ds[R][R];
      make_scores<S, R>(h, tiles, rows, row, column, p, ds);
      store_scores<R>(tiles.p, p);
      store_scores<R>(tiles.ds, ds);
      __syncthreads();
      add_product<S, R, true>(tiles.p, tiles.dout, dv);
      add_product<S, R, true>(tiles.ds, tiles.q, dk);
    }
  }
  const Ones<R> ones;
  store_rows<S, R>(h, a.dqkv + h.k(sample, kv), h.stride(), column, dk,
                   ones.factors);
  store_rows<S, R>(h, a.dqkv + h.v(sample, kv), h.stride(), column, dv,
                   ones.factors);
}

template <typename Kernel>
void allow_shared(Kernel* kernel, int bytes) {
  check(cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
        "asking for shared memory for attention_backward");
}

template <int S, int R>
void launch(const Lane& lane, const AttentionBackward& op) {
  const AttentionShape& s = op.shape;
  const bool wide = is_wide(s.head_size, op.qkv, op.dout);
  const Arguments a = {heads_of(s, wide),      data_of<float>(op.dout),
                       data_of<float>(op.qkv), data_of<float>(op.out),
                       op.lse.as<float>(),     data_of<float>(op.dqkv)};
  constexpr int kBytes = (4 * kPitch<S> + 2 * kScorePitch<R>)*16 * R *
                         static_cast<int>(sizeof(float));
  allow_shared(queries_kernel<S, R>, kBytes);
  allow_shared(keys_kernel<S, R>, kBytes);
  const unsigned tiles = blocks_of(s.sequence, 16 * R);
  const dim3 queries(tiles, blocks_of(s.samples * s.heads, 1));
  const dim3 keys(tiles, blocks_of(s.samples * s.kv_heads, 1));
  queries_kernel<S, R><<<queries, 256, kBytes, lane.stream>>>(a);
  check_launch("attention_backward");
  keys_kernel<S, R><<<keys, 256, kBytes, lane.stream>>>(a);
  check_launch("attention_backward");
}

}  // namespace

void run_tiles(const Lane& lane, const AttentionBackward& op) {
  const std::int64_t size = op.shape.head_size;
  if (size <= 32) return launch<32, 4>(lane, op);
  if (size <= 64) return launch<64, 4>(lane, op);
  if (size <= 128) return launch<128, 4>(lane, op);
  launch<256, 2>(lane, op);
}

}  // namespace cairn
