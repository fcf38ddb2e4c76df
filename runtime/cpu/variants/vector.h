// Vectors of 16 floats and the functions on them that the loops share. The
// compiler cuts them to what the instruction set has, so a lane's arithmetic is
// the same wherever it stands; tails go through padded vectors.

#pragma once

#include <cstdint>

#include "runtime/cpu/loops.h"

namespace cairn::CAIRN_ISA {

constexpr std::int64_t kLanes = 16;
using Floats [[gnu::vector_size(64)]] = float;
using Ints [[gnu::vector_size(64)]] = std::int32_t;
using Bits [[gnu::vector_size(64)]] = std::uint32_t;

[[gnu::always_inline]] inline Floats all(float value) {
  return value - Floats{};
}

[[gnu::always_inline]] inline Floats load(const float* from) {
  Floats value;
  __builtin_memcpy(&value, from, sizeof(value));
  return value;
}

[[gnu::always_inline]] inline void store(float* to, Floats value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

[[gnu::always_inline]] inline Floats load_some(const float* from,
                                               std::int64_t n, float rest) {
  Floats value = all(rest);
  for (std::int64_t i = 0; i < n; ++i) value[i] = from[i];
  return value;
}

[[gnu::always_inline]] inline void store_some(float* to, Floats value,
                                              std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = value[i];
}

// body(load, store, offset): once for every 16 elements and once for the rest.
template <typename Body>
[[gnu::always_inline]] inline void for_lanes(std::int64_t n, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    body([i](const float* p) { return load(p + i); },
         [i](float* p, Floats v) { store(p + i, v); }, i);
  }
  if (i == n) return;
  const std::int64_t rest = n - i;
  body([i, rest](const float* p) { return load_some(p + i, rest, 0.0F); },
       [i, rest](float* p, Floats v) { store_some(p + i, v, rest); }, i);
}

[[gnu::always_inline]] inline float total(Floats v) {
  float sum = 0.0F;
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) v[i] += v[i + half];
  }
  sum = v[0];
  return sum;
}

[[gnu::always_inline]] inline Floats larger(Floats a, Floats b) {
  return a > b ? a : b;
}

[[gnu::always_inline]] inline float largest(Floats v) {
  float max = v[0];
  for (int i = 1; i < kLanes; ++i) max = v[i] > max ? v[i] : max;
  return max;
}

// exp by 2^n e^r with |r| <= ln(2) / 2 and a polynomial in r (Cephes).
// NaN stays NaN; below -87 it is 0 to within 1e-38.
[[gnu::always_inline]] inline Floats exp_of(Floats x) {
  const Floats magic = all(12582912.0F);  // 1.5 * 2^23: adding it rounds
  const Floats low = x < -87.0F ? all(-87.0F) : x;
  const Floats in = low > 88.0F ? all(88.0F) : low;
  const Floats shifted = in * 1.44269504F + magic;
  const Floats n = shifted - magic;
  const Floats r = (in - n * 0.693359375F) + n * 2.12194440e-4F;
  Floats p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  // Of a NaN's bits the sum may wrap.
  const Bits power = (reinterpret_cast<Bits>(shifted) << 23) + (127U << 23);
  return p * reinterpret_cast<Floats>(power);
}

// 1 / (1 + e^-x)
[[gnu::always_inline]] inline Floats logistic(Floats x) {
  return 1.0F / (1.0F + exp_of(-x));
}

// x / 2 (1 + tanh(u)) is x logistic(2 u), with u = sqrt(2/pi) (x + 0.044715
// x^3)
constexpr float kGelu = 1.5957691216F;  // 2 sqrt(2/pi)
constexpr float kGeluCube = 0.044715F;

[[gnu::always_inline]] inline Floats gelu_of(Floats x) {
  return x * logistic(kGelu * (x + kGeluCube * x * x * x));
}

[[gnu::always_inline]] inline Floats gelu_slope(Floats x) {
  const Floats s = logistic(kGelu * (x + kGeluCube * x * x * x));
  const Floats slope = kGelu * (1.0F + 3.0F * kGeluCube * x * x);
  return s + x * s * (1.0F - s) * slope;
}

// Factors of dropout (0 or scale) for columns [column, column + 64).
void dropout_factors(const DropoutRow& row, std::int64_t column,
                     float* factors);
constexpr std::int64_t kDropoutRun = 64;

float dot(const float* a, const float* b, std::int64_t n);
void gelu(const float* x, float* y, std::int64_t n);
void gelu_gradient(float* dy, const float* pre, std::int64_t n);
void silu_times(const float* gate, const float* up, float* y, std::int64_t n);
void silu_gradient(const float* dy, const float* gate, const float* up,
                   float* dgate, float* dup, std::int64_t n);
void add(const float* x, float* y, std::int64_t n);
void sum(const float* a, const float* b, float* y, std::int64_t n);
void multiply(float* y, float by, std::int64_t n);
void dropout(const float* x, float* y, const DropoutRow& row,
             std::int64_t column, std::int64_t n);
void finish_linear(const LinearRow& row);
void norm(NormRow& row);
void norm_gradient(const NormGradientRow& row);
void turn(float* a, float* b, const float* cosine, const float* sine,
          std::int64_t n);
void softmax_block(const ScoreBlock& block, float* max, float* sum,
                   float* keep);
void probabilities(const ScoreBlock& block, const float* lse);
void score_gradient(const ScoreBlock& p, float* dp, const float* delta);
float cross_entropy(float* logits, std::int64_t n, std::int64_t target,
                    float scale, bool gradient);
double squares(const float* x, std::int64_t n);
void adamw(const AdamWRange& range);
void normal(float* x, std::int64_t n, std::uint64_t first, std::uint64_t seed,
            std::uint32_t stream, float deviation);
bool finite(const float* x, std::int64_t n);

}  // namespace cairn::CAIRN_ISA
