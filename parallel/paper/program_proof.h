// Proves what can be seen in one rank's program alone: each action once, none
// before what it needs on this rank, nothing left over.

#pragma once

#include "parallel/check.h"

namespace cairn::paper {

// "rank 1, position 3 (F1.0)"; beyond the last action, "rank 1, at its end".
std::string place_of(const Schedule& schedule, int rank, std::size_t position);

// The schedule's shape and the options fit each other. Throws kBadArgument.
void prove_program(const Schedule& schedule, const CheckOptions& options,
                   int rank);

}  // namespace cairn::paper
