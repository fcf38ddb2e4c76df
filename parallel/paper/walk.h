// Runs all ranks' programs together, with a clock for each rank. The programs
// have been proved by themselves: what one rank waits for, another one does.

#pragma once

#include "parallel/check.h"

namespace cairn::paper {

// Throws kBadArgument, naming every rank of it, if ranks wait in a circle.
Forecast walk(const Schedule& schedule, const CheckOptions& options);

}  // namespace cairn::paper
