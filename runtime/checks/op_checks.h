// What a body of Kernels requires of operands. Each throws kBadArgument with
// the operation and the shapes that do not fit.

#pragma once

#include "runtime/kernels.h"

namespace cairn {

// Who computes, for errors, and whether it takes activations in bf16 too.
struct Body {
  const char* name;
  bool bf16;
};

void check(const LinearForward& op, const Body& body);
void check(const LinearBackwardInput& op, const Body& body);
void check(const LinearBackwardWeight& op, const Body& body);
void check(const NormForward& op, const Body& body);
void check(const NormBackward& op, const Body& body);
void check(const AttentionForward& op, const Body& body);
void check(const AttentionBackward& op, const Body& body);
void check(const Rotary& op, const Body& body);
void check(const SwigluForward& op, const Body& body);
void check(const SwigluBackward& op, const Body& body);
void check(const Gelu& op, const Body& body);
void check(const EmbeddingForward& op, const Body& body);
void check(const EmbeddingBackward& op, const Body& body);
void check(const ScatterRows& op, const Body& body);
void check(const HeadLoss& op, const Body& body);
void check(const SquaredNorm& op, const Body& body);
void check(const ClipFactor& op, const Body& body);
void check(const AdamW& op, const Body& body);
void check(const FillNormal& op, const Body& body);
void check_add(const TensorView& x, const TensorView& y, const Body& body);
void check_cast(const TensorView& x, const TensorView& y, const Body& body);
void check_dropout(const TensorView& x, const TensorView& y,
                   const Dropout& dropout, std::int64_t sequence,
                   const Body& body);

}  // namespace cairn
