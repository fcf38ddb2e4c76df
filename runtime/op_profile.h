// OpProfile: what the time of an operation goes by. Operations of one family
// differ in nothing but sizes, so that how long one takes can be told from
// others that were measured.
//
// Plain functions of plain values; they touch no memory that a view points to.

#pragma once

#include <string>
#include <vector>

#include "runtime/operands.h"

namespace cairn {

enum class OpClass : std::uint8_t {
  kPass,  // over memory
  kProduct,
  kAttentionForward,
  kAttentionBackward,
};

struct OpProfile {
  OpClass kind = OpClass::kPass;
  DType type = DType::kF32;  // of its first operand
  // A product's m, n, k. Attention's sequence, heads of all samples (backward:
  // as many as are computed at once), size of a head. A pass's rows and width,
  // or elements.
  std::vector<double> sizes;
  double flops = 0;
  double bytes = 0;
};

OpProfile profile_of(const KernelOp& op);

// A key (key_of) without its numbers, but for the size of attention's heads:
// "gelu x=f32 y=f32".
std::string family_of(const std::string& key);

// The product that an operation is made of, without what is fused to it: same
// operands of the matrices, no bias, activation, residual, dropout or sum.
// Itself where it is no linear layer.
KernelOp bare_product(const KernelOp& op);

}  // namespace cairn
