// Attention backward in bf16 on tensor cores, without atomics: one kernel sums
// dout . out of each query, one goes over the keys of each tile of queries for
// dq, one over the queries of each tile of keys for dk and dv. The last two
// make the probabilities again from lse.

#include "runtime/cuda/attention_cores.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

struct Arguments {
  Heads h;
  const Bf16* dout;
  const Bf16* qkv;
  const Bf16* out;
  const float* lse;
  float* delta;  // dout . out, laid out as lse
  Bf16* dqkv;
};

// Eight lanes for each query of each head.
inline constexpr int kDeltaRows = kCoreThreads / 8;
__global__ __launch_bounds__(kCoreThreads) void delta_kernel(Arguments a) {
  const Heads& h = a.h;
  const int row = blockIdx.x * kDeltaRows + threadIdx.x / 8;
  const int sample = blockIdx.y / h.heads;
  const int head = blockIdx.y % h.heads;
  const std::int64_t first = h.out(sample, head) + row * h.out_stride();
  float sum = 0.0F;
  for (int c = threadIdx.x % 8 * 8; c < h.size && row < h.sequence; c += 64) {
    float left[8];
    float right[8];
    load(a.dout + first + c, h.size - c, h.wide, left);
    load(a.out + first + c, h.size - c, h.wide, right);
#pragma unroll
    for (int k = 0; k < 8; ++k) sum = fmaf(left[k], right[k], sum);
  }
#pragma unroll
  for (int step = 4; step > 0; step /= 2) {
    sum += __shfl_xor_sync(0xFFFFFFFFU, sum, step);
  }
  if (threadIdx.x % 8 == 0 && row < h.sequence) {
    a.delta[h.lse(sample, head) + row] = sum;
  }
}

template <int D, int M, int N>
struct QueryTiles {
  static constexpr int kRows = 64 * M;
  static constexpr int kBytes = (2 * kRows + 4 * N) * kRow<D> * 2;
  Bf16* q;
  Bf16* dout;
  Bf16* k;  // two tiles
  Bf16* v;  // two tiles

  __device__ explicit QueryTiles(Bf16* shared)
      : q(shared),
        dout(q + kRows * kRow<D>),
        k(dout + kRows * kRow<D>),
        v(k + 2 * N * kRow<D>) {}
};

// dscores = p (dp - delta), from dp in `dscores`; rows are queries.
template <int M, int N>
__device__ void make_dscores(const Heads& h, int row, int column,
                             const Sums<M, N>& scores, const float (&lse)[M][2],
                             const float (&delta)[M][2], Sums<M, N>& dscores) {
  const int lane = threadIdx.x % 32;
  const float scale = h.scale * kLog2e;
  const bool masked = column + N - 1 > row;
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int j = 0; j < N / 8; ++j) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const int last = row + i * 16 + k / 2 * 8 + lane / 4;
        const bool seen =
            !masked || column + j * 8 + lane % 4 * 2 + k % 2 <= last;
        const float p =
            seen ? exp2_fast(scores[i][j][k] * scale - lse[i][k / 2]) : 0.0F;
        dscores[i][j][k] = p * (dscores[i][j][k] - delta[i][k / 2]);
      }
    }
  }
}

template <int D, int M, int N>
__global__ __launch_bounds__(kCoreThreads) void queries_kernel(Arguments a) {
  extern __shared__ __align__(16) Bf16 shared_rows[];
  const QueryTiles<D, M, N> tiles(shared_rows);
  const Heads& h = a.h;
  const int sample = blockIdx.y / h.heads;
  const int head = blockIdx.y % h.heads;
  const int group = head / (h.heads / h.kv_heads);
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
  fetch_rows<D, 64 * M>(h, a.dout + h.out(sample, head), h.out_stride(), row,
                        tiles.dout);
  fetch(0);
  float lse[M][2];
  float delta[M][2];
  float scale[M][2];
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int at =
          min(own + i * 16 + r * 8 + static_cast<int>(threadIdx.x) % 32 / 4,
              h.sequence - 1);
      lse[i][r] = a.lse[h.lse(sample, head) + at] * kLog2e;
      delta[i][r] = a.delta[h.lse(sample, head) + at];
      scale[i][r] = h.scale;
    }
  }
  Sums<M, D> dq = {};
  const int end = min(row + 64 * M, h.sequence);
  for (int column = 0; column < end; column += N) {
    wait_for_fetches();
    __syncthreads();
    if (column + N < end) fetch(column + N);
    if (column >= own + 16 * M) continue;
    const int half = column / N % 2 * N * kRow<D>;
    const int mine = (own - row) * kRow<D>;
    Sums<M, N> scores = {};
    Sums<M, N> dscores = {};
    add_scores<D, M, N>(tiles.q + mine, tiles.k + half, scores);
    add_scores<D, M, N>(tiles.dout + mine, tiles.v + half, dscores);
    make_dscores<M, N>(h, own, column, scores, lse, delta, dscores);
    Packed<M, N> ds;
    pack_sums<M, N>(dscores, ds);
    add_weighted<D, M, N, D>(ds, tiles.k + half, dq);
  }
  store_sums<M, D>(h, a.dqkv + h.q(sample, head), h.stride(), own, 0, dq,
                   scale);
}

template <int D, int M, int N>
struct KeyTiles {
  static constexpr int kRows = 64 * M;
  static constexpr int kBytes = (2 * kRows + 4 * N) * kRow<D> * 2 + 4 * N * 4;
  Bf16* k;
  Bf16* v;
  Bf16* q;       // two tiles
  Bf16* dout;    // two tiles
  float* lse;    // two times N
  float* delta;  // two times N

  __device__ explicit KeyTiles(Bf16* shared)
      : k(shared),
        v(k + kRows * kRow<D>),
        q(v + kRows * kRow<D>),
        dout(q + 2 * N * kRow<D>),
        lse(reinterpret_cast<float*>(dout + 2 * N * kRow<D>)),
        delta(lse + 2 * N) {}
};

// From scores and dp: p, and p (dp - delta); rows are keys, columns queries.
template <int M, int N>
__device__ void make_both(const Heads& h, int row, int column, const float* lse,
                          const float* delta, Sums<M, N>& scores,
                          Sums<M, N>& dscores) {
  const int lane = threadIdx.x % 32;
  const float scale = h.scale * kLog2e;
  const bool masked = row + 16 * M - 1 > column;
#pragma unroll
  for (int j = 0; j < N / 8; ++j) {
    const int first = j * 8 + lane % 4 * 2;
    const float2 shift = *reinterpret_cast<const float2*>(lse + first);
    const float2 less = *reinterpret_cast<const float2*>(delta + first);
#pragma unroll
    for (int i = 0; i < M; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const int key = row + i * 16 + k / 2 * 8 + lane / 4;
        const bool seen = !masked || key <= column + first + k % 2;
        const float log = kLog2e * (k % 2 == 0 ? shift.x : shift.y);
        const float p = seen ? exp2_fast(scores[i][j][k] * scale - log) : 0.0F;
        scores[i][j][k] = p;
        dscores[i][j][k] =
            p * (dscores[i][j][k] - (k % 2 == 0 ? less.x : less.y));
      }
    }
  }
}

// The keys of one block, and the tiles of N queries that see them, head by
// head.
template <int N>
struct Keys {
  int sample;
  int kv;
  int group;
  int first;   // tile of queries
  int rounds;  // tiles of a head

  __device__ Keys(const Heads& h, int column)
      : sample(blockIdx.y / h.kv_heads),
        kv(blockIdx.y % h.kv_heads),
        group(h.heads / h.kv_heads),
        first(column / N),
        rounds((h.sequence + N - 1) / N - first) {}

  __device__ int steps() const { return group * rounds; }
  __device__ int head(int step) const { return kv * group + step / rounds; }
  __device__ int row(int step) const { return (first + step % rounds) * N; }
};

template <int D, int M, int N>
__device__ void fetch_queries(const Arguments& a, const Keys<N>& keys, int step,
                              const KeyTiles<D, M, N>& tiles) {
  const Heads& h = a.h;
  const int head = keys.head(step);
  const int row = keys.row(step);
  const int half = step % 2 * N;
  fetch_rows<D, N>(h, a.qkv + h.q(keys.sample, head), h.stride(), row,
                   tiles.q + half * kRow<D>);
  fetch_rows<D, N>(h, a.dout + h.out(keys.sample, head), h.out_stride(), row,
                   tiles.dout + half * kRow<D>);
  if (threadIdx.x >= N) return;
  const int own = threadIdx.x;
  const bool there = row + own < h.sequence;
  const std::int64_t place = h.lse(keys.sample, head) + (there ? row + own : 0);
  fetch4(tiles.lse + half + own, a.lse + place, there);
  fetch4(tiles.delta + half + own, a.delta + place, there);
}

// Adds to W columns of dk and dv what the P queries [row, ...), number `at` in
// shared memory, give to the keys [own, ...) of a warp, rows `mine` of a tile.
template <int D, int W, int M, int N, int P>
__device__ void add_queries(const Heads& h, const KeyTiles<D, M, N>& tiles,
                            int own, int mine, int row, int at, Sums<M, W>& dk,
                            Sums<M, W>& dv) {
  const Bf16* const q = tiles.q + at * kRow<D>;
  const Bf16* const dout = tiles.dout + at * kRow<D>;
  const int column = blockIdx.z * W;
  Sums<M, P> scores = {};
  Sums<M, P> dscores = {};
  add_scores<D, M, P>(tiles.k + mine * kRow<D>, q, scores);
  add_scores<D, M, P>(tiles.v + mine * kRow<D>, dout, dscores);
  make_both<M, P>(h, own, row, tiles.lse + at, tiles.delta + at, scores,
                  dscores);
  Packed<M, P> packed;
  pack_sums<M, P>(scores, packed);
  add_weighted<D, M, P, W>(packed, dout + column, dv);
  pack_sums<M, P>(dscores, packed);
  add_weighted<D, M, P, W>(packed, q + column, dk);
}

// Sums W columns of dk and dv, from column W blockIdx.z on, for 64 M keys;
// queries come in tiles of N and are worked on by P.
template <int D, int W, int M, int N, int P>
__global__ __launch_bounds__(kCoreThreads) void keys_kernel(Arguments a) {
  extern __shared__ __align__(16) Bf16 shared_rows[];
  const KeyTiles<D, M, N> tiles(shared_rows);
  const Heads& h = a.h;
  const int column = blockIdx.x * 64 * M;
  const int mine = threadIdx.x / 32 * 16 * M;
  const int own = column + mine;
  const Keys<N> keys(h, column);
  const std::int64_t k = h.k(keys.sample, keys.kv);
  const std::int64_t v = h.v(keys.sample, keys.kv);
  fetch_rows<D, 64 * M>(h, a.qkv + k, h.stride(), column, tiles.k);
  fetch_rows<D, 64 * M>(h, a.qkv + v, h.stride(), column, tiles.v);
  fetch_queries<D, M, N>(a, keys, 0, tiles);
  Sums<M, W> dk = {};
  Sums<M, W> dv = {};
  for (int step = 0; step < keys.steps(); ++step) {
    wait_for_fetches();
    __syncthreads();
    if (step + 1 < keys.steps())
      fetch_queries<D, M, N>(a, keys, step + 1, tiles);
#pragma unroll 1
    for (int part = 0; part < N; part += P) {
      const int row = keys.row(step) + part;
      if (row + P <= own) continue;  // no query here sees these keys
      add_queries<D, W, M, N, P>(h, tiles, own, mine, row, step % 2 * N + part,
                                 dk, dv);
    }
  }
  float scale[M][2];
  float one[M][2];
#pragma unroll
  for (int i = 0; i < 2 * M; ++i) {
    scale[i / 2][i % 2] = h.scale;
    one[i / 2][i % 2] = 1.0F;
  }
  const int from = blockIdx.z * W;
  store_sums<M, W>(h, a.dqkv + k, h.stride(), own, from, dk, scale);
  store_sums<M, W>(h, a.dqkv + v, h.stride(), own, from, dv, one);
}

template <typename Kernel>
void launch(Kernel* kernel, const dim3& grid, int bytes, const Lane& lane,
            const Arguments& a) {
  check(cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
        "asking for shared memory for attention_backward");
  kernel<<<grid, kCoreThreads, bytes, lane.stream>>>(a);
  check_launch("attention_backward");
}

// D: the head size, rounded up; W: columns that a block sums; tiles of 64 MQ
// queries by NQ keys, and of 64 MK keys by NK queries, worked on by P.
template <int D, int W, int MQ, int NQ, int MK, int NK, int P>
void run_sized(const Lane& lane, const AttentionShape& s, const Arguments& a) {
  launch(queries_kernel<D, MQ, NQ>,
         {blocks_of(s.sequence, 64 * MQ), blocks_of(s.samples * s.heads, 1)},
         QueryTiles<D, MQ, NQ>::kBytes, lane, a);
  launch(keys_kernel<D, W, MK, NK, P>,
         {blocks_of(s.sequence, 64 * MK), blocks_of(s.samples * s.kv_heads, 1),
          D / W},
         KeyTiles<D, MK, NK>::kBytes, lane, a);
}

}  // namespace

void run_cores(const Lane& lane, const AttentionBackward& op) {
  const AttentionShape& s = op.shape;
  const bool wide = is_wide(s.head_size, op.qkv, op.dout, op.out, op.dqkv);
  const Arguments a = {heads_of(s, wide),     data_of<Bf16>(op.dout),
                       data_of<Bf16>(op.qkv), data_of<Bf16>(op.out),
                       op.lse.as<float>(),    op.scratch.as<float>(),
                       data_of<Bf16>(op.dqkv)};
  launch(delta_kernel,
         {blocks_of(s.sequence, kDeltaRows), blocks_of(s.samples * s.heads, 1)},
         0, lane, a);
  const std::int64_t size = s.head_size;
  if (size <= 32) return run_sized<32, 32, 2, 64, 2, 64, 32>(lane, s, a);
  if (size <= 64) return run_sized<64, 64, 2, 64, 2, 64, 32>(lane, s, a);
  if (size <= 96) return run_sized<96, 96, 2, 32, 1, 64, 32>(lane, s, a);
  if (size <= 128) return run_sized<128, 128, 2, 32, 1, 64, 32>(lane, s, a);
  run_sized<256, 128, 1, 32, 1, 32, 16>(lane, s, a);
}

}  // namespace cairn
