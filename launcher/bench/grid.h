// A grid of operations: those of steps of small models whose widths, tokens,
// sequences and heads are spread over what people train. Times of a run's own
// operations are estimated between them.

#pragma once

#include <vector>

#include "launcher/run_plan.h"

namespace cairn {

std::vector<KernelOp> grid_of(Device::Kind device);

}  // namespace cairn
