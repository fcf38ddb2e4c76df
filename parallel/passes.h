// Passes: functions from schedule to schedule that add what computing needs.
//
// Each pass adds one concern and leaves the order of what it found. They
// compose in the order of this page. All throw kBadArgument for what they
// cannot work on; what comes out of them is proved by check (check.h).

#pragma once

#include <vector>

#include "parallel/action.h"

namespace cairn {

// Adds the transfers between stages on different ranks: a send directly after
// the action that makes what is sent, a receive `ahead` computing actions
// before the one that takes it, but a gradient's not before its stage has done
// the micro-batch's forward.
Schedule with_transfers(Schedule schedule, int ahead);

// Cuts whole stages into blocks, of which stage s has blocks[s]: forward in
// ascending order, backward, either half too, in descending.
Schedule with_blocks(Schedule schedule, const std::vector<int>& blocks);

// Adds a gather before every use of a block's parameters (F, B and I), `ahead`
// computing actions early where there are as many, and a drop right after the
// use, but for a block whose next gather would come at once. On each rank at
// most ahead + 1 blocks are whole at any time. For schedules cut into blocks.
Schedule with_gathers(Schedule schedule, int ahead);

// Adds a reduction of each block's gradient (the whole stage's, in a schedule
// that is not cut into blocks) as soon as it is complete for a group of
// micro-batches: `groups` equal groups in a row.
Schedule with_reductions(Schedule schedule, int groups);

// For models whose last stage uses a parameter of the first: sends its gradient
// from the last stage's last block when that is complete, and takes it in
// before the last reduction of the first stage's first block; where there is
// none, at the program's end. Nothing where both stages are on one rank.
Schedule with_shared(Schedule schedule);

}  // namespace cairn
