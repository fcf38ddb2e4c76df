#include "runtime/cpu/variants/vector.h"

namespace cairn::CAIRN_ISA {

double squares(const float* x, std::int64_t n) {
  using Doubles [[gnu::vector_size(64)]] = double;
  using Eight [[gnu::vector_size(32)]] = float;
  Doubles acc[4] = {};
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (int part = 0; part < 4; ++part) {
      Eight v;
      __builtin_memcpy(&v, x + i + std::int64_t{8} * part, sizeof(v));
      const Doubles d = __builtin_convertvector(v, Doubles);
      acc[part] += d * d;
    }
  }
  double rest = 0.0;
  for (; i < n; ++i) rest += static_cast<double>(x[i]) * x[i];
  const Doubles all_four = (acc[0] + acc[1]) + (acc[2] + acc[3]);
  for (int lane = 0; lane < 8; ++lane) rest += all_four[lane];
  return rest;
}

void adamw(const AdamWRange& range) {
  const AdamWRange a = range;
  const float shrink = 1.0F - a.lr * a.decay;
  const float step = a.lr / a.bias1;
  const float spread = 1.0F / a.bias2;
  const float other1 = 1.0F - a.beta1;
  const float other2 = 1.0F - a.beta2;
#pragma omp simd
  for (std::int64_t i = 0; i < a.n; ++i) {
    const float g = a.factor * a.g[i];
    const float m = a.beta1 * a.m[i] + other1 * g;
    const float v = a.beta2 * a.v[i] + other2 * g * g;
    const float deviation = __builtin_sqrtf(v * spread) + a.epsilon;
    a.m[i] = m;
    a.v[i] = v;
    a.p[i] = shrink * a.p[i] - step * m / deviation;
  }
}

}  // namespace cairn::CAIRN_ISA
