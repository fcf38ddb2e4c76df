// Named ranges of the calling thread, shown by NVIDIA's profilers above the
// kernels that were launched in them (NVTX, domain "cairn"; a range's category
// is its phase). Ranges of a thread nest. Without a profiler attached a call
// tests one pointer.
//
// Threads: any, each with ranges of its own.

#pragma once

#include "runtime/timeline.h"

namespace cairn {

void begin_profiler_range(Phase phase, const char* name);

// Ends the range that this thread began last.
void end_profiler_range();

}  // namespace cairn
