#include "tests/runtime/reference_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "runtime/error.h"

namespace cairn {
namespace {

double get(const TensorView& x, std::int64_t i) {
  switch (x.dtype) {
    case DType::kF64:
      return x.as<double>()[i];
    case DType::kF32:
      return x.as<float>()[i];
    case DType::kI32:
      return x.as<std::int32_t>()[i];
    case DType::kBF16:
      break;
  }
  throw Error(Code::kBadArgument, "the reference has no bf16");
}

void set(const TensorView& x, std::int64_t i, double value) {
  if (x.dtype == DType::kF64) {
    x.as<double>()[i] = value;
  } else if (x.dtype == DType::kF32) {
    x.as<float>()[i] = static_cast<float>(value);
  } else {
    throw Error(Code::kBadArgument, "the reference writes f32 and f64");
  }
}

[[noreturn]] void no_gradient(const char* op) {
  throw Error(Code::kBadArgument,
              std::string("the reference has no ") + op +
                  "; it is to be differentiated numerically");
}

// What dropout multiplies the element by.
double factor(const Dropout& d, std::int64_t token, std::int64_t channel,
              std::int64_t sequence) {
  if (!d) return 1.0;
  const std::uint64_t n =
      d.first_sample + static_cast<std::uint64_t>(token / sequence);
  const auto high = static_cast<std::uint32_t>((n >> 32 & 0xFFFF) << 16);
  const Random4 words =
      philox(d.seed, {static_cast<std::uint32_t>(channel / 4),
                      static_cast<std::uint32_t>(token % sequence),
                      static_cast<std::uint32_t>(n), high | d.site});
  const bool kept =
      words[static_cast<std::size_t>(channel % 4)] >= d.threshold();
  return kept ? static_cast<double>(d.scale()) : 0.0;
}

double gelu_of(double x) {
  const double u =
      std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(u));
}

void attend(const AttentionForward& op, std::int64_t sample, std::int64_t head,
            std::int64_t t) {
  const AttentionShape& s = op.shape;
  const std::int64_t d = s.head_size;
  const std::int64_t kv = head / (s.heads / s.kv_heads);
  const auto at = [&](std::int64_t position, std::int64_t slot) {
    return (sample * s.sequence + position) * s.qkv_width() + slot * d;
  };
  std::vector<double> p(static_cast<std::size_t>(t + 1));
  double top = -std::numeric_limits<double>::infinity();
  for (std::int64_t j = 0; j <= t; ++j) {
    double score = 0.0;
    for (std::int64_t c = 0; c < d; ++c) {
      score +=
          get(op.qkv, at(t, head) + c) * get(op.qkv, at(j, s.heads + kv) + c);
    }
    p[j] = score / std::sqrt(static_cast<double>(d));
    top = std::max(top, p[j]);
  }
  double sum = 0.0;
  for (double& x : p) sum += x = std::exp(x - top);
  for (std::int64_t c = 0; c < d; ++c) {
    double value = 0.0;
    for (std::int64_t j = 0; j <= t; ++j) {
      value += p[j] / sum * get(op.qkv, at(j, s.heads + s.kv_heads + kv) + c);
    }
    set(op.out, ((sample * s.sequence + t) * s.heads + head) * d + c, value);
  }
  set(op.lse, (sample * s.heads + head) * s.sequence + t, top + std::log(sum));
}

}  // namespace

void ReferenceKernels::linear_forward(Stream&, const LinearForward& op) {
  const std::int64_t n = op.w.shape[0];
  const std::int64_t k = op.w.shape[1];
  for (std::int64_t i = 0; i < op.x.shape[0]; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = op.bias ? get(op.bias, j) : 0.0;
      for (std::int64_t c = 0; c < k; ++c) {
        sum += get(op.x, i * k + c) * get(op.w, j * k + c);
      }
      if (op.pre) set(op.pre, i * n + j, sum);
      if (op.activation == Activation::kGelu) sum = gelu_of(sum);
      sum *= factor(op.dropout, i, j, op.sequence);
      if (op.residual) sum += get(op.residual, i * n + j);
      set(op.y, i * n + j, sum);
    }
  }
}

void ReferenceKernels::norm_forward(Stream&, const NormForward& op) {
  const std::int64_t m = op.x.shape[0];
  const std::int64_t c = op.x.shape[1];
  const auto width = static_cast<double>(c);
  std::vector<double> row(static_cast<std::size_t>(c));
  for (std::int64_t i = 0; i < m; ++i) {
    double mean = 0.0;
    for (std::int64_t j = 0; j < c; ++j) {
      row[j] = get(op.x, i * c + j);
      if (op.branch) {
        row[j] +=
            get(op.branch, i * c + j) * factor(op.dropout, i, j, op.sequence);
        set(op.sum, i * c + j, row[j]);
      }
      mean += row[j] / width;
    }
    if (op.kind == NormKind::kRms) mean = 0.0;
    double variance = 0.0;
    for (const double x : row) variance += (x - mean) * (x - mean) / width;
    const double inverse =
        1.0 / std::sqrt(variance + static_cast<double>(op.epsilon));
    for (std::int64_t j = 0; j < c; ++j) {
      const double bias = op.bias ? get(op.bias, j) : 0.0;
      set(op.y, i * c + j,
          (row[j] - mean) * inverse * (1.0 + get(op.weight, j)) + bias);
    }
    set(op.stats, i, mean);
    set(op.stats, m + i, inverse);
  }
}

void ReferenceKernels::attention_forward(Stream&, const AttentionForward& op) {
  for (std::int64_t sample = 0; sample < op.shape.samples; ++sample) {
    for (std::int64_t head = 0; head < op.shape.heads; ++head) {
      for (std::int64_t t = 0; t < op.shape.sequence; ++t) {
        attend(op, sample, head, t);
      }
    }
  }
}

void ReferenceKernels::rotary(Stream&, const Rotary& op) {
  const AttentionShape& s = op.shape;
  const std::int64_t half = s.head_size / 2;
  for (std::int64_t row = 0; row < s.samples * s.sequence; ++row) {
    for (std::int64_t h = 0; h < s.heads + s.kv_heads; ++h) {
      for (std::int64_t i = 0; i < half; ++i) {
        const std::int64_t a = row * s.qkv_width() + h * s.head_size + i;
        const double turn =
            static_cast<double>(row % s.sequence) *
            std::pow(static_cast<double>(op.theta),
                     -static_cast<double>(i) / static_cast<double>(half));
        const double angle = op.inverse ? -turn : turn;
        const double x = get(op.qkv, a);
        const double y = get(op.qkv, a + half);
        set(op.qkv, a, x * std::cos(angle) - y * std::sin(angle));
        set(op.qkv, a + half, y * std::cos(angle) + x * std::sin(angle));
      }
    }
  }
}

void ReferenceKernels::swiglu_forward(Stream&, const SwigluForward& op) {
  const std::int64_t width = op.y.shape[1];
  for (std::int64_t i = 0; i < op.y.elements(); ++i) {
    const std::int64_t at = i / width * 2 * width + i % width;
    const double gate = get(op.gate_up, at);
    set(op.y, i, gate / (1.0 + std::exp(-gate)) * get(op.gate_up, at + width));
  }
}

void ReferenceKernels::gelu(Stream&, const Gelu& op) {
  for (std::int64_t i = 0; i < op.x.elements(); ++i) {
    set(op.y, i, gelu_of(get(op.x, i)));
  }
}

void ReferenceKernels::embedding_forward(Stream&, const EmbeddingForward& op) {
  const std::int64_t width = op.y.shape[1];
  for (std::int64_t i = 0; i < op.y.elements(); ++i) {
    const std::int64_t token = i / width;
    const std::int64_t c = i % width;
    const auto row = static_cast<std::int64_t>(get(op.tokens, token));
    double value = get(op.table, row * width + c);
    if (op.positions) {
      value += get(op.positions, token % op.sequence * width + c);
    }
    set(op.y, i, value * factor(op.dropout, token, c, op.sequence));
  }
}

void ReferenceKernels::head_loss(Stream&, const HeadLoss& op) {
  if (op.dx) no_gradient("gradient of head_loss");
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t width = op.x.shape[1];
  const std::int64_t vocab = op.w.shape[0];
  double mean = 0.0;
  for (std::int64_t i = 0; i < tokens; ++i) {
    double sum = 0.0;
    double wanted = 0.0;
    for (std::int64_t v = 0; v < vocab; ++v) {
      double logit = 0.0;
      for (std::int64_t c = 0; c < width; ++c) {
        logit += get(op.x, i * width + c) * get(op.w, v * width + c);
      }
      sum += std::exp(logit);
      if (static_cast<double>(v) == get(op.targets, i)) wanted = logit;
    }
    const double loss = std::log(sum) - wanted;
    set(op.losses, i, loss);
    mean += loss / static_cast<double>(tokens);
  }
  set(op.loss, 0, mean);
}

void ReferenceKernels::fill(Stream&, const TensorView& x, float value) {
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    set(x, i, static_cast<double>(value));
  }
}

void ReferenceKernels::cast(Stream&, const TensorView& x, const TensorView& y) {
  for (std::int64_t i = 0; i < x.elements(); ++i) set(y, i, get(x, i));
}

void ReferenceKernels::add(Stream&, const TensorView& x, const TensorView& y) {
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    set(y, i, get(y, i) + get(x, i));
  }
}

void ReferenceKernels::dropout(Stream&, const TensorView& x,
                               const TensorView& y, const Dropout& dropout,
                               std::int64_t sequence) {
  const std::int64_t width = x.shape[1];
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    set(y, i, get(x, i) * factor(dropout, i / width, i % width, sequence));
  }
}

void ReferenceKernels::linear_backward_input(Stream&,
                                             const LinearBackwardInput&) {
  no_gradient("linear_backward_input");
}
void ReferenceKernels::linear_backward_weight(Stream&,
                                              const LinearBackwardWeight&) {
  no_gradient("linear_backward_weight");
}
void ReferenceKernels::norm_backward(Stream&, const NormBackward&) {
  no_gradient("norm_backward");
}
void ReferenceKernels::attention_backward(Stream&, const AttentionBackward&) {
  no_gradient("attention_backward");
}
void ReferenceKernels::swiglu_backward(Stream&, const SwigluBackward&) {
  no_gradient("swiglu_backward");
}
void ReferenceKernels::embedding_backward(Stream&, const EmbeddingBackward&) {
  no_gradient("embedding_backward");
}
void ReferenceKernels::scatter_rows(Stream&, const ScatterRows&) {
  no_gradient("scatter_rows");
}
void ReferenceKernels::squared_norm(Stream&, const SquaredNorm&) {
  no_gradient("squared_norm");
}
void ReferenceKernels::clip_factor(Stream&, const ClipFactor&) {
  no_gradient("clip_factor");
}
void ReferenceKernels::adamw(Stream&, const AdamW&) { no_gradient("adamw"); }
void ReferenceKernels::fill_normal(Stream&, const FillNormal&) {
  no_gradient("fill_normal");
}
void ReferenceKernels::all_finite(Stream&, const TensorView&,
                                  const TensorView&) {
  no_gradient("all_finite");
}

}  // namespace cairn
