#include <algorithm>

#include "runtime/cpu/ops.h"

namespace cairn {
namespace {

constexpr std::int64_t kColumnPiece = 256;

const float* row_of(const TensorView& view, std::int64_t offset) {
  return view ? view.as<float>() + offset : nullptr;
}

void backward_row(const NormBackward& op, std::int64_t token, float* dweight,
                  float* dbias) {
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t width = op.x.shape[1];
  const std::int64_t offset = token * width;
  const float* stats = op.stats.as<float>();
  loops().norm_gradient({.dy = op.dy.as<float>() + offset,
                         .x = op.x.as<float>() + offset,
                         .weight = op.weight.as<float>(),
                         .residual = row_of(op.residual, offset),
                         .dx = op.dx.as<float>() + offset,
                         .dweight = dweight,
                         .dbias = dbias,
                         .n = width,
                         .mean = stats[token],
                         .deviation = stats[tokens + token],
                         .rms = op.kind == NormKind::kRms});
}

// to[c] = (to[c] +) the sum of from[chunk][c] over chunks.
void fold(const float* from, std::int64_t chunks, std::int64_t stride,
          bool accumulate, float* to, std::int64_t n) {
  if (!accumulate) std::fill_n(to, n, 0.0F);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    loops().add(from + chunk * stride, to, n);
  }
}

}  // namespace

void run(const Crew& crew, const NormForward& op) {
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t width = op.x.shape[1];
  float* stats = op.stats.as<float>();
  const auto one = [&](std::int64_t token) {
    const std::int64_t offset = token * width;
    DropoutRow dropout;
    if (op.dropout) dropout = dropout_row(op.dropout, token, op.sequence);
    NormRow row = {};
    row.x = op.x.as<float>() + offset;
    row.branch = row_of(op.branch, offset);
    row.sum = op.branch ? op.sum.as<float>() + offset : nullptr;
    row.weight = op.weight.as<float>();
    row.bias = row_of(op.bias, 0);
    row.y = op.y.as<float>() + offset;
    row.dropout = op.dropout ? &dropout : nullptr;
    row.n = width;
    row.epsilon = op.epsilon;
    row.rms = op.kind == NormKind::kRms;
    loops().norm(row);
    stats[token] = row.mean;
    stats[tokens + token] = row.deviation;
  };
  in_pieces(crew.team, tokens, rows_at_once(width),
            [&](std::int64_t first, std::int64_t end) {
              for (std::int64_t t = first; t < end; ++t) one(t);
            });
}

void run(const Crew& crew, const NormBackward& op) {
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t width = op.x.shape[1];
  const std::int64_t chunks = op.partials.shape[0];
  float* partials = op.partials.as<float>();
  // Before dx may take the place of what is summed.
  if (op.residual_sums) {
    sum_rows(crew.team, op.residual, op.residual_sums, op.accumulate);
  }
  in_pieces(crew.team, tokens, kNormChunk,
            [&](std::int64_t first, std::int64_t end) {
              float* sums = partials + first / kNormChunk * 2 * width;
              std::fill_n(sums, 2 * width, 0.0F);
              for (std::int64_t t = first; t < end; ++t) {
                backward_row(op, t, sums, sums + width);
              }
            });
  in_pieces(crew.team, width, kColumnPiece,
            [&](std::int64_t first, std::int64_t end) {
              fold(partials + first, chunks, 2 * width, op.accumulate,
                   op.dweight.as<float>() + first, end - first);
              if (!op.dbias) return;
              fold(partials + width + first, chunks, 2 * width, op.accumulate,
                   op.dbias.as<float>() + first, end - first);
            });
  if (op.dx_sums) sum_rows(crew.team, op.dx, op.dx_sums, op.accumulate);
}

}  // namespace cairn
