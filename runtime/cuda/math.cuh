// The formulas that several kernels share, each in one place so that an
// activation that is made again has the bits of the first.

#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "runtime/random.h"

namespace cairn {

// Within a few units in the last place, by the fast exponential and quotient:
// the exact ones would hold up kernels that should wait for memory alone.
__device__ inline float logistic(float x) {
  return __fdividef(1.0F, 1.0F + __expf(-x));
}

// x / 2 (1 + tanh(u)) is x logistic(2 u), u = sqrt(2/pi) (x + 0.044715 x^3)
constexpr float kGeluScale = 1.5957691216F;  // 2 sqrt(2/pi)
constexpr float kGeluCube = 0.044715F;

__device__ inline float gelu_of(float x) {
  return x * logistic(kGeluScale * (x + kGeluCube * x * x * x));
}

__device__ inline float gelu_slope(float x) {
  const float s = logistic(kGeluScale * (x + kGeluCube * x * x * x));
  const float slope = kGeluScale * (1.0F + 3.0F * kGeluCube * x * x);
  return s + x * s * (1.0F - s) * slope;
}

// A Dropout as kernels take it, with the keys of all rounds.
struct Draw {
  std::uint32_t keys[kPhiloxRounds][2];
  std::uint64_t first_sample;
  std::int64_t sequence;
  std::uint32_t site;
  std::uint32_t threshold;
  float scale;
  bool on;
};

inline Draw draw_of(const Dropout& dropout, std::int64_t sequence) {
  Draw draw = {};
  draw.on = static_cast<bool>(dropout);
  if (!draw.on) return draw;
  PhiloxKey key = first_key(dropout.seed);
  for (auto& of_round : draw.keys) {
    std::copy(key.begin(), key.end(), of_round);
    key = next_key(key);
  }
  draw.first_sample = dropout.first_sample;
  draw.sequence = sequence;
  draw.site = dropout.site;
  draw.threshold = dropout.threshold();
  draw.scale = dropout.scale();
  return draw;
}

// x = dropout(x), for N elements from `column` on, a multiple of 4, as is N.
template <int N>
__device__ void drop(const Draw& draw, std::int64_t token, std::int64_t column,
                     float (&x)[N]) {
  if (!draw.on) return;
  const auto at = static_cast<std::uint32_t>(token);
  const auto length = static_cast<std::uint32_t>(draw.sequence);
  const std::uint64_t sample = draw.first_sample + at / length;
  const auto high = static_cast<std::uint32_t>(sample >> 32) & 0xFFFFU;
#pragma unroll
  for (int i = 0; i < N; i += 4) {
    Random4 words = {static_cast<std::uint32_t>((column + i) / 4), at % length,
                     static_cast<std::uint32_t>(sample),
                     high << 16 | draw.site};
#pragma unroll
    for (const auto& key : draw.keys) {
      words = philox_round({key[0], key[1]}, words);
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      x[i + k] *= words[k] >= draw.threshold ? draw.scale : 0.0F;
    }
  }
}

}  // namespace cairn
