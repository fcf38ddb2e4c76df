// Ranks that are threads of the test.

#pragma once

#include <functional>

#include "parallel/communicator.h"

namespace cairn {

// Runs `work` on a thread for each rank and waits for all. The first failure is
// thrown again, one that blames no peer if there is one.
void on_threads(int ranks, const std::function<void(World&)>& work);

}  // namespace cairn
