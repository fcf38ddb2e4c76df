// A grid of operations: those of steps of small models whose widths, tokens,
// sequences and heads are spread over what people train. Times of a run's own
// operations are estimated between them. Each model's are one load, so that
// they are measured at the clock that a step of such a model leaves the device.

#pragma once

#include <vector>

#include "launcher/run_plan.h"
#include "runtime/calibration.h"

namespace cairn {

// Puts kernels together, each key once, with the most calls of any.
void add_most(std::vector<SimKernel>& kernels,
              const std::vector<SimKernel>& more);
Load load_of(const std::vector<SimKernel>& kernels);

// For one mode of the device; what they take in f32 only for the deterministic.
std::vector<Load> grid_of(Device::Kind device, bool deterministic);

}  // namespace cairn
