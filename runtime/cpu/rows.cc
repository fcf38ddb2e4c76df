// Operations that go over rows one by one: rotary, SwiGLU, GELU, embedding.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "runtime/cpu/ops.h"

namespace cairn {
namespace {

constexpr std::int64_t kColumnPiece = 64;
constexpr std::int64_t kPositionPiece = 16;
constexpr std::int64_t kMostAngles = 512;
using Angles = std::array<float, kMostAngles>;

void angles_of(const Rotary& op, std::int64_t position, Angles& cosine,
               Angles& sine) {
  const std::int64_t half = op.shape.head_size / 2;
  const double slope =
      -std::log(static_cast<double>(op.theta)) / static_cast<double>(half);
  for (std::int64_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) *
                         std::exp(slope * static_cast<double>(i));
    cosine[i] = static_cast<float>(std::cos(angle));
    sine[i] =
        static_cast<float>(op.inverse ? -std::sin(angle) : std::sin(angle));
  }
}

void turn_position(const Rotary& op, std::int64_t position) {
  const AttentionShape& s = op.shape;
  const std::int64_t half = s.head_size / 2;
  Angles cosine;
  Angles sine;
  angles_of(op, position, cosine, sine);
  for (std::int64_t sample = 0; sample < s.samples; ++sample) {
    float* row =
        op.qkv.as<float>() + (sample * s.sequence + position) * s.qkv_width();
    for (std::int64_t h = 0; h < s.heads + s.kv_heads; ++h) {
      float* head = row + h * s.head_size;
      loops().turn(head, head + half, cosine.data(), sine.data(), half);
    }
  }
}

void add_rows(const EmbeddingBackward& op, std::int64_t first, std::int64_t n) {
  const std::int64_t width = op.dy.shape[1];
  const std::int32_t* rows = op.rows.as<std::int32_t>();
  for (std::int64_t i = 0; i < op.dy.shape[0]; ++i) {
    loops().add(op.dy.as<float>() + i * width + first,
                op.drows.as<float>() + rows[i] * width + first, n);
  }
}

void add_positions(const EmbeddingBackward& op, std::int64_t first,
                   std::int64_t n) {
  const std::int64_t width = op.dy.shape[1];
  float* to = op.dpositions.as<float>() + first;
  for (std::int64_t t = 0; !op.accumulate && t < op.dpositions.shape[0]; ++t) {
    std::fill_n(to + t * width, n, 0.0F);
  }
  for (std::int64_t i = 0; i < op.dy.shape[0]; ++i) {
    loops().add(op.dy.as<float>() + i * width + first,
                to + i % op.sequence * width, n);
  }
}

// A row of SwigluBackward by pieces of whole vectors, so that y, which may lie
// where dy does, has the bits that forward gives to the row as a whole.
void swiglu_gradient_row(const SwigluBackward& op, std::int64_t row) {
  constexpr std::int64_t kColumns = 1024;
  const std::int64_t width = op.dy.shape[1];
  const float* gate = op.gate_up.as<float>() + row * 2 * width;
  float* dgate = op.dgate_up.as<float>() + row * 2 * width;
  const float* dy = op.dy.as<float>() + row * width;
  for (std::int64_t c = 0; c < width; c += kColumns) {
    const std::int64_t n = std::min(kColumns, width - c);
    float made[kColumns];
    if (op.y) loops().silu_times(gate + c, gate + width + c, made, n);
    loops().silu_gradient(dy + c, gate + c, gate + width + c, dgate + c,
                          dgate + width + c, n);
    if (op.y) std::copy_n(made, n, op.y.as<float>() + row * width + c);
  }
}

}  // namespace

DropoutRow dropout_row(const Dropout& dropout, std::int64_t token,
                       std::int64_t sequence) {
  const std::uint64_t sample =
      dropout.first_sample + static_cast<std::uint64_t>(token / sequence);
  const auto high = static_cast<std::uint32_t>(sample >> 32) & 0xFFFFU;
  return {.seed = dropout.seed,
          .position = static_cast<std::uint32_t>(token % sequence),
          .sample_low = static_cast<std::uint32_t>(sample),
          .sample_high_and_site = high << 16 | dropout.site,
          .threshold = dropout.threshold(),
          .scale = dropout.scale()};
}

void run(const Crew& crew, const Rotary& op) {
  in_pieces(crew.team, op.shape.sequence, kPositionPiece,
            [&](std::int64_t first, std::int64_t end) {
              for (std::int64_t t = first; t < end; ++t) turn_position(op, t);
            });
}

void run(const Crew& crew, const SwigluForward& op) {
  const std::int64_t width = op.y.shape[1];
  const float* in = op.gate_up.as<float>();
  float* y = op.y.as<float>();
  in_pieces(crew.team, op.y.shape[0], rows_at_once(width),
            [&](std::int64_t first, std::int64_t end) {
              for (std::int64_t t = first; t < end; ++t) {
                const float* gate = in + t * 2 * width;
                loops().silu_times(gate, gate + width, y + t * width, width);
              }
            });
}

void run(const Crew& crew, const SwigluBackward& op) {
  in_pieces(crew.team, op.dy.shape[0], rows_at_once(op.dy.shape[1]),
            [&](std::int64_t first, std::int64_t end) {
              for (std::int64_t t = first; t < end; ++t) {
                swiglu_gradient_row(op, t);
              }
            });
}

void run(const Crew& crew, const Gelu& op) {
  const float* x = op.x.as<float>();
  float* y = op.y.as<float>();
  in_pieces(crew.team, op.x.elements(), 16384,
            [&](std::int64_t first, std::int64_t end) {
              loops().gelu(x + first, y + first, end - first);
            });
}

void run(const Crew& crew, const EmbeddingForward& op) {
  const std::int64_t width = op.y.shape[1];
  const std::int32_t* tokens = op.tokens.as<std::int32_t>();
  const auto one = [&](std::int64_t i) {
    float* y = op.y.as<float>() + i * width;
    const float* row = op.table.as<float>() + tokens[i] * width;
    if (op.positions) {
      loops().sum(row, op.positions.as<float>() + i % op.sequence * width, y,
                  width);
    } else {
      std::memcpy(y, row, static_cast<std::size_t>(width) * sizeof(float));
    }
    if (!op.dropout) return;
    loops().dropout(y, y, dropout_row(op.dropout, i, op.sequence), 0, width);
  };
  in_pieces(crew.team, op.y.shape[0], rows_at_once(width),
            [&](std::int64_t first, std::int64_t end) {
              for (std::int64_t i = first; i < end; ++i) one(i);
            });
}

void run(const Crew& crew, const EmbeddingBackward& op) {
  if (op.dropout) {
    run_dropout(crew, op.dy, op.dy, op.dropout, op.sequence);
  }
  in_pieces(crew.team, op.dy.shape[1], kColumnPiece,
            [&](std::int64_t first, std::int64_t end) {
              add_rows(op, first, end - first);
              if (op.dpositions) add_positions(op, first, end - first);
            });
}

void run(const Crew& crew, const ScatterRows& op) {
  if (!op.accumulate) run_fill(crew, op.dtable, 0.0F);
  const std::int64_t width = op.drows.shape[1];
  const std::int32_t* tokens = op.tokens.as<std::int32_t>();
  in_pieces(crew.team, op.drows.shape[0], rows_at_once(width),
            [&](std::int64_t first, std::int64_t end) {
              for (std::int64_t u = first; u < end; ++u) {
                loops().add(op.drows.as<float>() + u * width,
                            op.dtable.as<float>() + tokens[u] * width, width);
              }
            });
}

void run_dropout(const Crew& crew, const TensorView& x, const TensorView& y,
                 const Dropout& dropout, std::int64_t sequence) {
  const std::int64_t width = x.shape[1];
  in_pieces(crew.team, x.shape[0], rows_at_once(width),
            [&](std::int64_t first, std::int64_t end) {
              for (std::int64_t t = first; t < end; ++t) {
                const float* from = x.as<float>() + t * width;
                float* to = y.as<float>() + t * width;
                if (dropout) {
                  loops().dropout(from, to, dropout_row(dropout, t, sequence),
                                  0, width);
                } else {
                  std::copy_n(from, width, to);
                }
              }
            });
}

}  // namespace cairn
