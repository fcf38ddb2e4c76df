// Whole steps of a run on random tokens, as `cairn train` does them.

#pragma once

#include "launcher/bench.h"

namespace cairn {

// Of the request's run, which has one rank, on the request's device, whose
// memory must hold what its plan says; `costs` are those to predict by. Throws
// kBadArgument for a run of several ranks.
StepRate measure_step(const BenchRequest& request, const CostModel& costs);

}  // namespace cairn
