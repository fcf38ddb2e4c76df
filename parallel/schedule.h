// A schedule is a pure function from the pipeline's shape to what each rank
// computes, in order.

#pragma once

#include "parallel/action.h"

namespace cairn {

// One forward, one backward (Narayanan et al., "PipeDream", SOSP 2019, in its
// synchronous form): rank r holds at most ranks - r micro-batches.
Schedule one_f_one_b(const PipelineShape& shape);

}  // namespace cairn
