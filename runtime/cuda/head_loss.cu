// The language-model head by chunks of tokens: logits, cross-entropy with the
// gradient in their place, then the two products of that.

#include <algorithm>

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/ops.h"
#include "runtime/cuda/reduce.cuh"

namespace cairn {
namespace {

constexpr int kLossThreads = 512;

template <typename T>
struct Entropy {
  T* logits;
  const std::int32_t* targets;
  float* losses;
  std::int64_t vocab;
  float scale;
  bool gradient;
  bool wide;
};

template <typename T>
__device__ float largest(const Entropy<T>& a, const T* row) {
  constexpr int N = kLanes<T>;
  float most = -INFINITY;
  for (std::int64_t c = threadIdx.x * N; c < a.vocab; c += kLossThreads * N) {
    float v[N];
    load(row + c, a.vocab - c, a.wide, v);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (c + i < a.vocab) most = fmaxf(most, v[i]);
    }
  }
  return block_max(most);
}

template <typename T>
__device__ float sum_of_exp(const Entropy<T>& a, const T* row, float most) {
  constexpr int N = kLanes<T>;
  float sum = 0.0F;
  for (std::int64_t c = threadIdx.x * N; c < a.vocab; c += kLossThreads * N) {
    float v[N];
    load(row + c, a.vocab - c, a.wide, v);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (c + i < a.vocab) sum += expf(v[i] - most);
    }
  }
  return block_sum(sum);
}

// A block for each token.
template <typename T>
__global__ void entropy_kernel(Entropy<T> a) {
  constexpr int N = kLanes<T>;
  T* row = a.logits + blockIdx.x * a.vocab;
  const std::int64_t target = a.targets[blockIdx.x];
  const float wanted = static_cast<float>(row[target]);
  const float most = largest(a, row);
  const float sum = sum_of_exp(a, row, most);
  if (threadIdx.x == 0) {
    a.losses[blockIdx.x] = static_cast<float>(log(static_cast<double>(sum)) +
                                              static_cast<double>(most) -
                                              static_cast<double>(wanted));
  }
  if (!a.gradient) return;
  const float factor = a.scale / sum;
  for (std::int64_t c = threadIdx.x * N; c < a.vocab; c += kLossThreads * N) {
    const std::int64_t left = a.vocab - c;
    float v[N];
    load(row + c, left, a.wide, v);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      v[i] = expf(v[i] - most) * factor;
      if (c + i == target) v[i] -= a.scale;
    }
    store(row + c, left, a.wide, v);
  }
}

// The mean of all losses, in f64.
__global__ void mean_kernel(const float* losses, std::int64_t n, float* loss) {
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    sum += static_cast<double>(losses[i]);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    loss[0] = static_cast<float>(sum / static_cast<double>(n));
  }
}

template <typename T>
void measure(const Lane& lane, const HeadLoss& op, std::int64_t first,
             std::int64_t rows) {
  Entropy<T> a = {};
  a.logits = data_of<T>(op.logits);
  a.targets = op.targets.as<std::int32_t>() + first;
  a.losses = op.losses.as<float>() + first;
  a.vocab = op.w.shape[0];
  a.scale = op.scale;
  a.gradient = static_cast<bool>(op.dx);
  a.wide = is_wide(a.vocab, op.logits);
  entropy_kernel<T><<<blocks_of(rows, 1), kLossThreads, 0, lane.stream>>>(a);
  check_launch("head_loss");
}

void chunk(const Lane& lane, const HeadLoss& op, std::int64_t first,
           std::int64_t rows) {
  const std::int64_t vocab = op.w.shape[0];
  const std::int64_t width = op.w.shape[1];
  const auto offset =
      static_cast<std::size_t>(first * width) * size_of(op.x.dtype);
  Product p;
  p.in = op.x.dtype;
  p.out = op.x.dtype;
  p.m = rows;
  p.n = vocab;
  p.k = width;
  p.a = op.x.data + offset;
  p.b = op.w.data;
  p.transpose_b = true;
  p.c = op.logits.data;
  lane.matmul.run(lane.stream, p);
  by_type(op.x.dtype,
          [&](auto zero) { measure<decltype(zero)>(lane, op, first, rows); });
  if (!op.dx) return;
  p.n = width;
  p.k = vocab;
  p.a = op.logits.data;
  p.transpose_b = false;
  p.c = op.dx.data + offset;
  lane.matmul.run(lane.stream, p);
  p.m = vocab;
  p.k = rows;
  p.transpose_a = true;
  p.b = op.x.data + offset;
  p.beta = op.accumulate || first > 0 ? 1.0F : 0.0F;
  p.c = op.dw.data;
  p.out = DType::kF32;
  lane.matmul.run(lane.stream, p);
}

}  // namespace

void run(const Lane& lane, const HeadLoss& op) {
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t most = op.logits.shape[0];
  for (std::int64_t first = 0; first < tokens; first += most) {
    chunk(lane, op, first, std::min(most, tokens - first));
  }
  mean_kernel<<<1, 1024, 0, lane.stream>>>(op.losses.as<float>(), tokens,
                                           op.loss.as<float>());
  check_launch("head_loss");
}

}  // namespace cairn
