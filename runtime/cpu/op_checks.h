// What the CPU body requires of operands. Each throws kBadArgument with the
// operation and the shapes that do not fit.

#pragma once

#include "runtime/kernels.h"

namespace cairn {

void check(const LinearForward& op);
void check(const LinearBackwardInput& op);
void check(const LinearBackwardWeight& op);
void check(const NormForward& op);
void check(const NormBackward& op);
void check(const AttentionForward& op);
void check(const AttentionBackward& op);
void check(const Rotary& op);
void check(const SwigluForward& op);
void check(const SwigluBackward& op);
void check(const Gelu& op);
void check(const EmbeddingForward& op);
void check(const EmbeddingBackward& op);
void check(const ScatterRows& op);
void check(const HeadLoss& op);
void check(const SquaredNorm& op);
void check(const ClipFactor& op);
void check(const AdamW& op);
void check(const FillNormal& op);
void check_add(const TensorView& x, const TensorView& y);
void check_cast(const TensorView& x, const TensorView& y);
void check_dropout(const TensorView& x, const TensorView& y,
                   const Dropout& dropout, std::int64_t sequence);

}  // namespace cairn
