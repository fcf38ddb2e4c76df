// The learning rate as a pure function of the step, so that it resumes
// anywhere. With steps s = 1..N, warm-up W, peak L and floor M:
//   s <= W      L * s / W
//   cosine      M + (L - M) * (1 + cos(pi * p)) / 2,  p = (s - W) / (N - W)
//   linear      L + (M - L) * p
//   constant    L
// A decaying rate is M at the last step, unless the warm-up fills the run.

#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "launcher/config.h"

namespace cairn {

inline double learning_rate(const OptimizerSection& optimizer,
                            std::int64_t steps, std::int64_t step) {
  const auto now = static_cast<double>(step);
  const auto warmup = static_cast<double>(optimizer.warmup);
  if (step <= optimizer.warmup) return optimizer.lr * now / warmup;
  if (optimizer.decay == "constant") return optimizer.lr;
  if (step >= steps) return optimizer.min_lr;

  const double progress =
      (now - warmup) / (static_cast<double>(steps) - warmup);
  const double range = optimizer.lr - optimizer.min_lr;
  if (optimizer.decay == "linear") return optimizer.lr - range * progress;
  return optimizer.min_lr +
         range * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace cairn
