// A schedule is a pure function from the pipeline's shape to what each rank
// computes, in order: whole stages only. What else a rank does is added by
// passes (passes.h).
//
// In every schedule each stage takes micro-batches in ascending order, forward
// and backward, since gradients are summed in that order. All throw
// kBadArgument for a shape they do not fit, naming the nearest one they do.

#pragma once

#include <string>
#include <vector>

#include "parallel/action.h"

namespace cairn {

// All forwards, then all backwards (Huang et al., "GPipe", NeurIPS 2019). With
// several chunks the chunks follow each other whole, breadth-first; a stage
// then sends all its micro-batches before the first is received, so a channel
// must hold as many.
Schedule gpipe(const PipelineShape& shape);

// One forward, one backward (Narayanan et al., "PipeDream", SOSP 2019, in its
// synchronous form): rank r holds at most ranks - r micro-batches. One chunk.
Schedule one_f_one_b(const PipelineShape& shape);

// 1F1B over several stages a rank, which take turns every `ranks` micro-batches
// (Narayanan et al., SC 2021): the bubble is `chunks` times smaller. The last
// group of micro-batches may be smaller. With one chunk it is 1F1B.
Schedule interleaved(const PipelineShape& shape);

// 1F1B whose backward is split, the weight half held back until rank r holds as
// many micro-batches as rank 0 (Qi et al., "Zero Bubble", ICLR 2024, ZB-H1).
// One chunk.
Schedule zero_bubble_h1(const PipelineShape& shape);

// Only forwards, for evaluation.
Schedule forward_only(const PipelineShape& shape);

// "gpipe", "1f1b", "interleaved", "zb-h1". Throws kBadArgument, listing the
// names, for another.
Schedule schedule_named(const std::string& name, const PipelineShape& shape);
std::vector<std::string> schedule_names();

}  // namespace cairn
