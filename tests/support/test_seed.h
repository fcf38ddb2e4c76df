// The seed of what tests draw at random.

#pragma once

#include <cstdint>

namespace cairn {

// CAIRN_TEST_SEED of the environment, or a random number; the same for the
// whole process. Printed at the first call, so that a failure can be repeated.
std::uint64_t test_seed();

}  // namespace cairn
