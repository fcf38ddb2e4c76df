// The least that an operation takes on a device whose pieces were measured.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "launcher/bench.h"
#include "runtime/operands.h"

namespace cairn {

// The products inside an operation, without what is fused to them, and how
// often each is made; none in a pass or in attention.
struct InnerProduct {
  KernelOp op;
  double times = 1;
};
std::vector<InnerProduct> inner_products(const KernelOp& op);

// Seconds; `whole` is the operation as measured, `parts` has its inner
// products, by key.
double floor_of(const KernelOp& op, const MeasuredOp& whole,
                const std::map<std::string, MeasuredOp>& parts,
                const Ceilings& ceilings);

}  // namespace cairn
