// What a solver finds wrong, in words.

#pragma once

#include "runtime/error.h"
#include "runtime/sim/sim_state.h"

namespace cairn {

// Every stream that has operations left, and what it waits for.
Error deadlock(const SimState& state);

// Two members that stand at the same place with things that do not fit.
Error mismatch(const SimState& state, const SimLog& a, const SimLog& b);

// A transfer to or from a rank that nobody runs.
Error with_phantom(const SimState& state, const SimLog& log);

// Two accesses without order, or one to memory that was given back.
Error race(const SimState& state, const SimLog& log, const SimTouch& touch,
           const Toucher& who, const RaceCheck::Conflict& conflict);

}  // namespace cairn
