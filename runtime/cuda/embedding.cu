// Embedding, and its gradient without atomics: a block for each row of the
// gradient looks through the tokens in order and adds its own.

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

template <typename T>
void look_up(const Lane& lane, const EmbeddingForward& op) {
  constexpr int N = kLanes<T>;
  const std::int64_t width = op.y.shape[1];
  const std::int64_t sequence = op.sequence;
  const Draw draw = draw_of(op.dropout, sequence);
  const bool wide = is_wide(width, op.table, op.positions, op.y);
  const std::int32_t* tokens = op.tokens.as<std::int32_t>();
  const T* table = data_of<T>(op.table);
  const T* positions = data_of<T>(op.positions);
  T* y = data_of<T>(op.y);
  for_rows<N>(
      lane.stream, op.y.shape[0], width,
      [=] __device__(std::int64_t r, std::int64_t c, std::int64_t left) {
        float v[N];
        load(table + tokens[r] * width + c, left, wide, v);
        if (positions != nullptr) {
          float more[N];
          load(positions + r % sequence * width + c, left, wide, more);
#pragma unroll
          for (int i = 0; i < N; ++i) v[i] += more[i];
        }
        drop(draw, r, c, v);
        store(y + r * width + c, left, wide, v);
      });
  check_launch("embedding_forward");
}

template <typename T>
struct RowSums {
  const std::int32_t* rows;
  const T* dy;
  float* drows;
  std::int64_t tokens;
  std::int64_t width;
  Draw draw;
  bool wide;
};

// Block x is a row of drows, block y a piece of its columns, one lane a thread.
template <typename T>
__global__ void row_sums_kernel(RowSums<T> a) {
  constexpr int N = kLanes<T>;
  __shared__ std::int32_t found[kThreads];
  __shared__ int counts[kThreads / 32];
  const std::int64_t c =
      (static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x) * N;
  const std::int64_t left = a.width - c;
  float* to = a.drows + blockIdx.x * a.width + c;
  float sums[N];
  bool any = false;
  if (left > 0) load(to, left, a.wide, sums);
  for (std::int64_t first = 0; first < a.tokens; first += kThreads) {
    const std::int64_t own = first + threadIdx.x;
    const bool mine =
        own < a.tokens && a.rows[own] == static_cast<int>(blockIdx.x);
    const int total = __syncthreads_count(mine);
    if (total == 0) continue;
    const unsigned votes = __ballot_sync(0xFFFFFFFFU, mine);
    const unsigned lane = threadIdx.x % 32;
    if (lane == 0) counts[threadIdx.x / 32] = __popc(votes);
    __syncthreads();
    int place = __popc(votes & ((1U << lane) - 1));
    for (unsigned w = 0; w < threadIdx.x / 32; ++w) place += counts[w];
    if (mine) found[place] = static_cast<std::int32_t>(own);
    __syncthreads();
    any = true;
    for (int k = 0; left > 0 && k < total; ++k) {
      float v[N];
      load(a.dy + found[k] * a.width + c, left, a.wide, v);
      drop(a.draw, found[k], c, v);
#pragma unroll
      for (int i = 0; i < N; ++i) sums[i] += v[i];
    }
    __syncthreads();
  }
  if (any && left > 0) store(to, left, a.wide, sums);
}

template <typename T>
void add_rows(const Lane& lane, const EmbeddingBackward& op) {
  RowSums<T> a = {};
  a.rows = op.rows.as<std::int32_t>();
  a.dy = data_of<T>(op.dy);
  a.drows = op.drows.as<float>();
  a.tokens = op.dy.shape[0];
  a.width = op.dy.shape[1];
  a.draw = draw_of(op.dropout, op.sequence);
  a.wide = is_wide(a.width, op.dy, op.drows);
  const dim3 grid(blocks_of(op.drows.shape[0], 1),
                  blocks_of(a.width, kThreads * kLanes<T>));
  row_sums_kernel<T><<<grid, kThreads, 0, lane.stream>>>(a);
  check_launch("embedding_backward");
}

template <typename T>
void add_positions(const Lane& lane, const EmbeddingBackward& op) {
  constexpr int N = kLanes<T>;
  const std::int64_t width = op.dy.shape[1];
  const std::int64_t tokens = op.dy.shape[0];
  const std::int64_t sequence = op.sequence;
  const bool accumulate = op.accumulate;
  const Draw draw = draw_of(op.dropout, sequence);
  const bool wide = is_wide(width, op.dy, op.dpositions);
  const T* dy = data_of<T>(op.dy);
  float* to = op.dpositions.as<float>();
  for_rows<N>(
      lane.stream, op.dpositions.shape[0], width,
      [=] __device__(std::int64_t t, std::int64_t c, std::int64_t left) {
        if (t >= sequence && accumulate) return;
        float sums[N] = {};
        if (accumulate) load(to + t * width + c, left, wide, sums);
        for (std::int64_t r = t; t < sequence && r < tokens; r += sequence) {
          float v[N];
          load(dy + r * width + c, left, wide, v);
          drop(draw, r, c, v);
#pragma unroll
          for (int i = 0; i < N; ++i) sums[i] += v[i];
        }
        store(to + t * width + c, left, wide, sums);
      });
  check_launch("embedding_backward");
}

}  // namespace

void run(const Lane& lane, const EmbeddingForward& op) {
  by_type(op.y.dtype, [&](auto zero) { look_up<decltype(zero)>(lane, op); });
}

void run(const Lane& lane, const EmbeddingBackward& op) {
  if (op.dy.elements() == 0) return;
  by_type(op.dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    add_rows<T>(lane, op);
    if (op.dpositions) add_positions<T>(lane, op);
  });
}

void run(const Lane& lane, const ScatterRows& op) {
  if (!op.accumulate) run_fill(lane, op.dtable, 0.0F);
  constexpr int N = 4;
  const std::int64_t width = op.drows.shape[1];
  const bool wide = is_wide(width, op.drows, op.dtable);
  const float* drows = op.drows.as<float>();
  const std::int32_t* tokens = op.tokens.as<std::int32_t>();
  float* dtable = op.dtable.as<float>();
  for_rows<N>(
      lane.stream, op.drows.shape[0], width,
      [=] __device__(std::int64_t u, std::int64_t c, std::int64_t left) {
        float* to = dtable + tokens[u] * width + c;
        float v[N];
        float old[N];
        load(drows + u * width + c, left, wide, v);
        load(to, left, wide, old);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] += old[i];
        store(to, left, wide, v);
      });
  check_launch("scatter_rows");
}

}  // namespace cairn
