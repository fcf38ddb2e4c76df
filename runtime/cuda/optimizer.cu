// Gradient norm, clipping, AdamW, and the first weights.

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"
#include "runtime/cuda/reduce.cuh"

namespace cairn {
namespace {

constexpr int kNormThreads = 512;

// A block for each chunk; a lane a thread, then the next of the block.
__global__ void squares_kernel(const float* x, std::int64_t n,
                               std::int64_t chunk, bool wide,
                               double* partials) {
  constexpr int N = kLanes<float>;
  const std::int64_t first = blockIdx.x * chunk;
  const std::int64_t end = min(first + chunk, n);
  double sum = 0.0;
#pragma unroll 4
  for (std::int64_t i = first + threadIdx.x * N; i < end;
       i += kNormThreads * N) {
    const PackedLane<float> lane = load_lane(x + i, end - i, wide);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const double v = static_cast<double>(lane[k]);
      sum += v * v;
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One block; each thread adds up every kNormThreads-th partial.
__global__ void clip_kernel(const double* partials, std::int64_t n,
                            float* norm_out, float* factor, double limit) {
  double sum = 0.0;
#pragma unroll 8
  for (std::int64_t i = threadIdx.x; i < n; i += kNormThreads) {
    sum += partials[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  const double norm = sqrt(sum);
  *norm_out = static_cast<float>(norm);
  if (isnan(*factor)) return;
  float result = 1.0F;
  if (limit > 0.0 && norm > limit) result = static_cast<float>(limit / norm);
  if (!isfinite(norm)) result = NAN;
  *factor = result;
}

// The numbers of AdamW as its kernel takes them.
struct Rates {
  float shrink;
  float step;
  float spread;
  float beta1;
  float beta2;
  float other1;
  float other2;
  float epsilon;
};

}  // namespace

void run(const Lane& lane, const SquaredNorm& op) {
  if (op.x.elements() == 0) return;
  const bool wide = is_wide(0, op.x) && op.chunk % kLanes<float> == 0;
  squares_kernel<<<blocks_of(op.chunks(), 1), kNormThreads, 0, lane.stream>>>(
      op.x.as<float>(), op.x.elements(), op.chunk, wide,
      op.partials.as<double>());
  check_launch("squared_norm");
}

void run(const Lane& lane, const ClipFactor& op) {
  clip_kernel<<<1, kNormThreads, 0, lane.stream>>>(
      op.partials.as<double>(), op.partials.elements(), op.norm.as<float>(),
      op.factor.as<float>(), static_cast<double>(op.limit));
  check_launch("clip_factor");
}

void run(const Lane& lane, const AdamW& op) {
  constexpr int N = 8;
  const Rates a = {1.0F - op.lr * op.decay,
                   op.lr / op.bias1,
                   1.0F / op.bias2,
                   op.beta1,
                   op.beta2,
                   1.0F - op.beta1,
                   1.0F - op.beta2,
                   op.epsilon};
  const bool wide = is_wide(0, op.param, op.grad, op.m, op.v, op.copy);
  float* param = op.param.as<float>();
  const float* grad = op.grad.as<float>();
  float* first = op.m.as<float>();
  float* second = op.v.as<float>();
  Bf16* copy = data_of<Bf16>(op.copy);
  const float* factor_at = op.factor.as<float>();
  for_each<N>(lane.stream, op.param.elements(),
              [=] __device__(std::int64_t at, std::int64_t left) {
                const float factor = *factor_at;
                float p[N];
                float g[N];
                float m[N];
                float v[N];
                load(param + at, left, wide, p);
                if (isnan(factor)) {
                  if (copy != nullptr) store(copy + at, left, wide, p);
                  return;
                }
                load(grad + at, left, wide, g);
                load(first + at, left, wide, m);
                load(second + at, left, wide, v);
#pragma unroll
                for (int i = 0; i < N; ++i) {
                  g[i] *= factor;
                  m[i] = a.beta1 * m[i] + a.other1 * g[i];
                  v[i] = a.beta2 * v[i] + a.other2 * g[i] * g[i];
                  const float deviation = sqrtf(v[i] * a.spread) + a.epsilon;
                  p[i] = a.shrink * p[i] - a.step * m[i] / deviation;
                }
                store(param + at, left, wide, p);
                store(first + at, left, wide, m);
                store(second + at, left, wide, v);
                if (copy != nullptr) store(copy + at, left, wide, p);
              });
  check_launch("adamw");
}

// Elements come in pairs, the pair of element i being i / 2.
void run(const Lane& lane, const FillNormal& op) {
  const std::int64_t n = op.x.elements();
  const std::int64_t from = op.first_element;
  const std::int64_t odd = from % 2;
  const std::uint64_t seed = op.seed;
  const std::uint32_t number = op.stream;
  const float deviation = op.deviation;
  float* x = op.x.as<float>();
  for_each<2>(
      lane.stream, n + odd, [=] __device__(std::int64_t at, std::int64_t) {
        const auto pair = static_cast<std::uint64_t>(from - odd + at) / 2;
        const Random4 words =
            philox(seed, {static_cast<std::uint32_t>(pair),
                          static_cast<std::uint32_t>(pair >> 32), number, 0});
        const float u =
            (static_cast<float>(words[0] >> 9) + 0.5F) * 1.1920929e-7F;
        const float turn =
            static_cast<float>(static_cast<std::int32_t>(words[1]) >> 8) *
            5.9604645e-8F;
        const float radius = sqrtf(-2.0F * logf(u)) * deviation;
        const std::int64_t i = at - odd;
        if (i >= 0) x[i] = radius * cospif(2.0F * turn);
        if (i + 1 < n) x[i + 1] = radius * sinpif(2.0F * turn);
      });
  check_launch("fill_normal");
}

}  // namespace cairn
