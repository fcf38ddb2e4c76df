#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "runtime/cpu/ops.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::int64_t kPiece = 32768;

// To the nearest bf16, ties to even; NaN stays NaN.
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return 0x7FC0;
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

float from_bf16(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

double element(const TensorView& x, std::int64_t i) {
  switch (x.dtype) {
    case DType::kF32:
      return reinterpret_cast<const float*>(x.data)[i];
    case DType::kF64:
      return reinterpret_cast<const double*>(x.data)[i];
    case DType::kI32:
      return reinterpret_cast<const std::int32_t*>(x.data)[i];
    case DType::kBF16:
      return from_bf16(reinterpret_cast<const std::uint16_t*>(x.data)[i]);
  }
  return 0.0;
}

void set_element(const TensorView& y, std::int64_t i, double value) {
  switch (y.dtype) {
    case DType::kF32:
      reinterpret_cast<float*>(y.data)[i] = static_cast<float>(value);
      return;
    case DType::kF64:
      reinterpret_cast<double*>(y.data)[i] = value;
      return;
    case DType::kI32:
      reinterpret_cast<std::int32_t*>(y.data)[i] =
          static_cast<std::int32_t>(value);
      return;
    case DType::kBF16:
      reinterpret_cast<std::uint16_t*>(y.data)[i] =
          to_bf16(static_cast<float>(value));
      return;
  }
}

void cast_range(const TensorView& x, const TensorView& y, std::int64_t first,
                std::int64_t end) {
  if (x.dtype == y.dtype) {
    const auto size = static_cast<std::int64_t>(size_of(x.dtype));
    std::copy(x.data + first * size, x.data + end * size,
              y.data + first * size);
  } else if (x.dtype == DType::kF32 && y.dtype == DType::kBF16) {
    const float* from = x.as<float>();
    auto* to = reinterpret_cast<std::uint16_t*>(y.data);
    std::transform(from + first, from + end, to + first, to_bf16);
  } else if (x.dtype == DType::kBF16 && y.dtype == DType::kF32) {
    const auto* from = reinterpret_cast<const std::uint16_t*>(x.data);
    std::transform(from + first, from + end, y.as<float>() + first, from_bf16);
  } else {
    for (std::int64_t i = first; i < end; ++i) set_element(y, i, element(x, i));
  }
}

}  // namespace

void run(const Crew& crew, const SquaredNorm& op) {
  const float* x = op.x.as<float>();
  in_pieces(crew.team, op.x.elements(), op.chunk,
            [&](std::int64_t first, std::int64_t end) {
              op.partials.as<double>()[first / op.chunk] =
                  loops().squares(x + first, end - first);
            });
}

void run(const Crew&, const ClipFactor& op) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < op.partials.elements(); ++i) {
    sum += op.partials.as<double>()[i];
  }
  const double norm = std::sqrt(sum);
  float& factor = op.factor.as<float>()[0];
  op.norm.as<float>()[0] = static_cast<float>(norm);
  if (std::isnan(factor)) return;
  const double limit = op.limit;
  factor = 1.0F;
  if (limit > 0.0 && norm > limit) factor = static_cast<float>(limit / norm);
  if (!std::isfinite(norm)) factor = std::numeric_limits<float>::quiet_NaN();
}

void run(const Crew& crew, const AdamW& op) {
  const float factor = op.factor.as<float>()[0];
  const std::int64_t updated = std::isnan(factor) ? 0 : op.param.elements();
  in_pieces(crew.team, updated, kPiece,
            [&](std::int64_t first, std::int64_t end) {
              loops().adamw({.p = op.param.as<float>() + first,
                             .g = op.grad.as<float>() + first,
                             .m = op.m.as<float>() + first,
                             .v = op.v.as<float>() + first,
                             .n = end - first,
                             .factor = factor,
                             .lr = op.lr,
                             .beta1 = op.beta1,
                             .beta2 = op.beta2,
                             .epsilon = op.epsilon,
                             .decay = op.decay,
                             .bias1 = op.bias1,
                             .bias2 = op.bias2});
            });
  if (op.copy) run_cast(crew, op.param, op.copy);
}

void run(const Crew& crew, const FillNormal& op) {
  float* x = op.x.as<float>();
  const auto from = static_cast<std::uint64_t>(op.first_element);
  // Elements come in pairs; a first one that is odd is the second of its pair.
  const auto odd = static_cast<std::int64_t>(from % 2);
  if (odd == 1 && op.x.elements() > 0) {
    float pair[2];
    loops().normal(pair, 2, from - 1, op.seed, op.stream, op.deviation);
    x[0] = pair[1];
  }
  in_pieces(crew.team, std::max<std::int64_t>(op.x.elements() - odd, 0), kPiece,
            [&](std::int64_t first, std::int64_t end) {
              const std::int64_t at = first + odd;
              loops().normal(x + at, end - first,
                             from + static_cast<std::uint64_t>(at), op.seed,
                             op.stream, op.deviation);
            });
}

void run_fill(const Crew& crew, const TensorView& x, float value) {
  in_pieces(crew.team, x.elements(), kPiece,
            [&](std::int64_t first, std::int64_t end) {
              if (x.dtype == DType::kF32) {
                std::fill(x.as<float>() + first, x.as<float>() + end, value);
                return;
              }
              for (std::int64_t i = first; i < end; ++i) {
                set_element(x, i, value);
              }
            });
}

void run_cast(const Crew& crew, const TensorView& x, const TensorView& y) {
  in_pieces(crew.team, x.elements(), kPiece,
            [&](std::int64_t first, std::int64_t end) {
              cast_range(x, y, first, end);
            });
}

void run_add(const Crew& crew, const TensorView& x, const TensorView& y) {
  in_pieces(crew.team, x.elements(), kPiece,
            [&](std::int64_t first, std::int64_t end) {
              loops().add(x.as<float>() + first, y.as<float>() + first,
                          end - first);
            });
}

void run_all_finite(const Crew& crew, const TensorView& x,
                    const TensorView& finite) {
  std::atomic<bool> all = true;
  in_pieces(crew.team, x.elements(), kPiece,
            [&](std::int64_t first, std::int64_t end) {
              if (!loops().finite(x.as<float>() + first, end - first)) {
                all = false;
              }
            });
  set_element(finite, 0, all ? 1.0 : 0.0);
}

}  // namespace cairn
