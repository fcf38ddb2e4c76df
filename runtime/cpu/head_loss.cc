#include <algorithm>

#include "runtime/cpu/gemm.h"
#include "runtime/cpu/ops.h"

namespace cairn {
namespace {

void measure(const Crew& crew, const HeadLoss& op, std::int64_t first,
             std::int64_t rows) {
  const std::int64_t vocab = op.w.shape[0];
  const std::int64_t stride = op.logits.shape[1];
  float* logits = op.logits.as<float>();
  crew.team.for_each(
      (rows + rows_at_once(vocab) - 1) / rows_at_once(vocab),
      [&](std::int64_t piece, int) {
        const std::int64_t begin = piece * rows_at_once(vocab);
        const std::int64_t end = std::min(rows, begin + rows_at_once(vocab));
        for (std::int64_t r = begin; r < end; ++r) {
          op.losses.as<float>()[first + r] =
              loops().cross_entropy(logits + r * stride, vocab,
                                    op.targets.as<std::int32_t>()[first + r],
                                    op.scale, static_cast<bool>(op.dx));
        }
      });
}

void chunk(const Crew& crew, const HeadLoss& op, std::int64_t first,
           std::int64_t rows) {
  const std::int64_t vocab = op.w.shape[0];
  const std::int64_t width = op.w.shape[1];
  const std::int64_t stride = op.logits.shape[1];
  const float* x = op.x.as<float>() + first * width;
  const float* w = op.w.as<float>();
  float* logits = op.logits.as<float>();
  gemm_tiles(crew.team, {rows, vocab, width, x, width, false, w, width, true,
                         0.0F, logits, stride});
  measure(crew, op, first, rows);
  if (!op.dx) return;
  gemm_tiles(crew.team,
             {rows, width, vocab, logits, stride, false, w, width, false, 0.0F,
              op.dx.as<float>() + first * width, width});
  const bool add = op.accumulate || first > 0;
  gemm_tiles(crew.team, {vocab, width, rows, logits, stride, true, x, width,
                         false, add ? 1.0F : 0.0F, op.dw.as<float>(), width});
}

}  // namespace

void run(const Crew& crew, const HeadLoss& op) {
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t most = op.logits.shape[0];
  for (std::int64_t first = 0; first < tokens; first += most) {
    chunk(crew, op, first, std::min(most, tokens - first));
  }
  double sum = 0.0;
  for (std::int64_t i = 0; i < tokens; ++i) {
    sum += op.losses.as<float>()[i];
  }
  op.loss.as<float>()[0] =
      static_cast<float>(sum / static_cast<double>(tokens));
}

}  // namespace cairn
