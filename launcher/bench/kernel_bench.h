// How long the kernels of a run, and of a grid of others, take on this machine,
// in both modes where a device has two.

#pragma once

#include "launcher/bench.h"

namespace cairn {

// Sets `report`'s ceilings and kernels, and its costs' rates and tables.
void bench_kernels(const BenchRequest& request, BenchReport& report);

// As many ranks as compute at once on this machine.
int ranks_at_once(const BenchRequest& request);

}  // namespace cairn
