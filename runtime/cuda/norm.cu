// Layer and RMS norm, forward, with the residual sum before it: each row is
// read once, kept in registers, and written once.

#include "runtime/cuda/math.cuh"
#include "runtime/cuda/norm_rows.cuh"
#include "runtime/cuda/ops.h"
#include "runtime/cuda/reduce.cuh"

namespace cairn {
namespace {

constexpr int kMostForwardLanes = 4;

template <typename T>
struct NormForwardArguments {
  const T* x;
  const T* branch;
  T* sum;
  const T* weight;
  const T* bias;
  T* y;
  float* stats;
  std::int64_t rows;
  int width;
  Draw draw;
  float epsilon;
  bool rms;
};

// Dropout of a lane, whose elements need not lie together.
template <bool W, typename T, int N>
__device__ void drop_at(const Draw& draw, std::int64_t row,
                        const Place<T, W>& at, float (&x)[N]) {
  if constexpr (W) {
    drop(draw, row, at.first, x);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const int column = at.first + i * at.step;
      float four[4] = {1.0F, 1.0F, 1.0F, 1.0F};
      drop(draw, row, column / 4 * 4, four);
      const float low = column % 2 == 0 ? four[0] : four[1];
      const float high = column % 2 == 0 ? four[2] : four[3];
      x[i] *= column % 4 < 2 ? low : high;
    }
  }
}

// x = x + dropout(branch), rounded as it will be read back for the gradient,
// and stored to sum. D: whether there is dropout.
template <typename T, int V, bool W, bool D>
__device__ void add_branch(const NormForwardArguments<T>& a, std::int64_t row,
                           bool there, PackedLane<T> (&x)[V]) {
  constexpr int N = kLanes<T>;
  const std::int64_t offset = row * a.width;
  PackedLane<T> branch[V];
  load_row<W>(a.branch + offset, a.width, there, branch);
#pragma unroll
  for (int v = 0; v < V; ++v) {
    const Place<T, W> at(v, a.width);
    if (!there || !at.any()) continue;
    float more[N];
#pragma unroll
    for (int i = 0; i < N; ++i) more[i] = branch[v][i];
    if constexpr (D) drop_at<W>(a.draw, row, at, more);
#pragma unroll
    for (int i = 0; i < N; ++i) more[i] += x[v][i];
    x[v] = packed<T>(more);
    at.store(a.sum + offset, more);
  }
}

// Mean (0 for an RMS norm) and 1 / deviation of the row.
template <typename T, int V, bool W>
__device__ float2 moments_of(const NormForwardArguments<T>& a,
                             const PackedLane<T> (&x)[V]) {
  constexpr int N = kLanes<T>;
  const auto width = static_cast<float>(a.width);
  float mean[1] = {};
  if (!a.rms) {
#pragma unroll
    for (int v = 0; v < V; ++v) {
#pragma unroll
      for (int i = 0; i < N; ++i) mean[0] += x[v][i];
    }
    group_sum(mean, 0);
    mean[0] /= width;
  }
  float squares[1] = {};
#pragma unroll
  for (int v = 0; v < V; ++v) {
    const Place<T, W> at(v, a.width);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float d = at.has(i) ? x[v][i] - mean[0] : 0.0F;
      squares[0] += d * d;
    }
  }
  group_sum(squares, 1);
  return {mean[0], 1.0F / sqrtf(squares[0] / width + a.epsilon)};
}

template <typename T, int V, bool W, bool D>
__global__ void __launch_bounds__(kBlockThreads<V>)
    norm_forward_kernel(NormForwardArguments<T> a) {
  constexpr int N = kLanes<T>;
  const std::int64_t row =
      static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const bool there = row < a.rows;
  PackedLane<T> x[V];
  load_row<W>(a.x + row * a.width, a.width, there, x);
  if (a.branch != nullptr) add_branch<T, V, W, D>(a, row, there, x);
  const float2 moments = moments_of<T, V, W>(a, x);
  if (!there) return;
#pragma unroll
  for (int v = 0; v < V; ++v) {
    const Place<T, W> at(v, a.width);
    if (!at.any()) continue;
    const PackedLane<T> weight = at.load(a.weight);
    PackedLane<T> bias;
    if (a.bias != nullptr) bias = at.load(a.bias);
    float y[N];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      y[i] = (x[v][i] - moments.x) * moments.y * (1.0F + weight[i]) + bias[i];
    }
    at.store(a.y + row * a.width, y);
  }
  if (threadIdx.x != 0) return;
  a.stats[row] = moments.x;
  a.stats[a.rows + row] = moments.y;
}

template <typename T>
void forward(const Lane& lane, const NormForward& op) {
  const std::int64_t width = op.x.shape[1];
  NormForwardArguments<T> a = {};
  a.x = data_of<T>(op.x);
  a.branch = data_of<T>(op.branch);
  a.sum = data_of<T>(op.sum);
  a.weight = data_of<T>(op.weight);
  a.bias = data_of<T>(op.bias);
  a.y = data_of<T>(op.y);
  a.stats = op.stats.as<float>();
  a.rows = op.x.shape[0];
  a.width = static_cast<int>(width);
  a.draw = draw_of(op.dropout, op.sequence);
  a.epsilon = op.epsilon;
  a.rms = op.kind == NormKind::kRms;
  const bool wide =
      is_wide(width, op.x, op.branch, op.sum, op.weight, op.bias, op.y);
  const Spread spread = spread_of<T>(width, kMostForwardLanes);
  const dim3 block = spread.block();
  by_form(spread, wide, [&](auto form) {
    constexpr int V = form.kLanesEach;
    const auto kernel = a.draw.on
                            ? norm_forward_kernel<T, V, form.kWide, true>
                            : norm_forward_kernel<T, V, form.kWide, false>;
    kernel<<<blocks_of(a.rows, block.y), block, 0, lane.stream>>>(a);
  });
  check_launch("norm_forward");
}

}  // namespace

void run(const Lane& lane, const NormForward& op) {
  if (op.x.elements() == 0) return;
  by_type(op.x.dtype, [&](auto zero) { forward<decltype(zero)>(lane, op); });
}

}  // namespace cairn
