// The world of a simulated rank: what its communicators are called for is
// recorded on the stream, and done by SimMachine::solve in virtual time.
//
// Calls that do not fit each other are found by solve(). Threads: as the
// machine, which outlives the world.

#pragma once

#include <memory>

#include "parallel/communicator.h"
#include "runtime/sim.h"

namespace cairn {

std::unique_ptr<World> make_sim_world(SimMachine& machine, int rank, int size);

}  // namespace cairn
