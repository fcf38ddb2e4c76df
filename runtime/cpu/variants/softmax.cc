#include "runtime/cpu/variants/vector.h"

namespace cairn::CAIRN_ISA {
namespace {

constexpr float kLowest = -3.0e38F;

// Columns of row `r` that causality lets it see; the rest are set to 0.
std::int64_t seen(const ScoreBlock& block, std::int64_t r) {
  const std::int64_t last = block.first_row + r - block.first_column + 1;
  const std::int64_t some = last < 0 ? 0 : last;
  return some < block.columns ? some : block.columns;
}

float row_max(const float* x, std::int64_t n, float start) {
  Floats max = all(start);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) max = larger(load(x + i), max);
  if (i < n) max = larger(load_some(x + i, n - i, start), max);
  return largest(max);
}

// x = exp(x * scale - shift); returns the sum.
float exp_row(float* x, std::int64_t n, float scale, float shift) {
  Floats sums = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Floats e = exp_of(load(x + i) * scale - shift);
    store(x + i, e);
    sums = sums + e;
  }
  if (i < n) {
    Floats e = exp_of(load_some(x + i, n - i, 0.0F) * scale - shift);
    for (std::int64_t lane = n - i; lane < kLanes; ++lane) e[lane] = 0.0F;
    store_some(x + i, e, n - i);
    sums = sums + e;
  }
  return total(sums);
}

void clear(float* x, std::int64_t first, std::int64_t end) {
  for (std::int64_t i = first; i < end; ++i) x[i] = 0.0F;
}

}  // namespace

void softmax_block(const ScoreBlock& block, float* max, float* sum,
                   float* keep) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    float* x = block.scores + r * block.stride;
    const std::int64_t n = seen(block, r);
    float top = max[r];
    if (n > 0) {
      const float here = row_max(x, n, kLowest) * block.scale;
      top = here > top ? here : top;
    }
    const Floats factor = exp_of(all(max[r] - top));
    keep[r] = max[r] <= kLowest ? 0.0F : factor[0];
    sum[r] = sum[r] * keep[r] + exp_row(x, n, block.scale, top);
    max[r] = top;
    clear(x, n, block.columns);
  }
}

void probabilities(const ScoreBlock& block, const float* lse) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    float* x = block.scores + r * block.stride;
    const std::int64_t n = seen(block, r);
    exp_row(x, n, block.scale, lse[r]);
    clear(x, n, block.columns);
  }
}

void score_gradient(const ScoreBlock& p, float* dp, const float* delta) {
  const float scale = p.scale;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    const float* probability = p.scores + r * p.stride;
    float* gradient = dp + r * p.stride;
    const float shift = delta[r];
    for_lanes(p.columns, [&](auto get, auto put, std::int64_t) {
      put(gradient, get(probability) * (get(gradient) - shift) * scale);
    });
  }
}

float cross_entropy(float* logits, std::int64_t n, std::int64_t target,
                    float scale, bool gradient) {
  const float wanted = logits[target];
  const float max = row_max(logits, n, kLowest);
  const float sum = exp_row(logits, n, 1.0F, max);
  const double loss = __builtin_log(static_cast<double>(sum)) +
                      static_cast<double>(max) - static_cast<double>(wanted);
  if (gradient) {
    multiply(logits, scale / sum, n);
    logits[target] -= scale;
  }
  return static_cast<float>(loss);
}

}  // namespace cairn::CAIRN_ISA
