// The operations of the CPU body, run at once by a team. Operands have been
// checked (runtime/checks/op_checks.h).

#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/cpu/loops.h"
#include "runtime/cpu/team.h"
#include "runtime/kernels.h"

namespace cairn {

// Floats of scratch that each member of the team has.
inline constexpr std::int64_t kQueryTile = 128;
inline constexpr std::int64_t kKeyTile = 256;
inline constexpr std::int64_t kScratchTile = kQueryTile * kKeyTile;
inline constexpr std::int64_t kMemberScratch = 2 * kScratchTile + 4096;

struct Crew {
  Team& team;
  float* scratch;

  float* scratch_of(int member) const {
    return scratch + member * kMemberScratch;
  }
};

// The dropout of row `token`, of samples of `sequence` tokens.
DropoutRow dropout_row(const Dropout& dropout, std::int64_t token,
                       std::int64_t sequence);

// work(first, end) over [0, n) in pieces of `grain`.
template <typename Work>
void in_pieces(Team& team, std::int64_t n, std::int64_t grain,
               const Work& work) {
  team.for_each((n + grain - 1) / grain, [&](std::int64_t piece, int) {
    const std::int64_t first = piece * grain;
    work(first, first + grain < n ? first + grain : n);
  });
}

// total = (total +) the rows of `rows` added up, each column in the order of
// rows.
void sum_rows(Team& team, const TensorView& rows, const TensorView& total,
              bool accumulate);

// Rows of `width` elements that make a piece worth handing out.
inline std::int64_t rows_at_once(std::int64_t width) {
  return width >= 16384 ? 1 : 16384 / (width > 0 ? width : 1);
}

void run(const Crew& crew, const LinearForward& op);
void run(const Crew& crew, const LinearBackwardInput& op);
void run(const Crew& crew, const LinearBackwardWeight& op);
void run(const Crew& crew, const NormForward& op);
void run(const Crew& crew, const NormBackward& op);
void run(const Crew& crew, const AttentionForward& op);
void run(const Crew& crew, const AttentionBackward& op);
void run(const Crew& crew, const Rotary& op);
void run(const Crew& crew, const SwigluForward& op);
void run(const Crew& crew, const SwigluBackward& op);
void run(const Crew& crew, const Gelu& op);
void run(const Crew& crew, const EmbeddingForward& op);
void run(const Crew& crew, const EmbeddingBackward& op);
void run(const Crew& crew, const ScatterRows& op);
void run(const Crew& crew, const HeadLoss& op);
void run(const Crew& crew, const SquaredNorm& op);
void run(const Crew& crew, const ClipFactor& op);
void run(const Crew& crew, const AdamW& op);
void run(const Crew& crew, const FillNormal& op);
void run_fill(const Crew& crew, const TensorView& x, float value);
void run_cast(const Crew& crew, const TensorView& x, const TensorView& y);
void run_add(const Crew& crew, const TensorView& x, const TensorView& y);
void run_dropout(const Crew& crew, const TensorView& x, const TensorView& y,
                 const Dropout& dropout, std::int64_t sequence);
void run_all_finite(const Crew& crew, const TensorView& x,
                    const TensorView& finite);

}  // namespace cairn
