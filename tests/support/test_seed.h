// The seed of a test run's random inputs: CAIRN_TEST_SEED, or a fresh one.
// Printed once, so that a failure can be had again.

#pragma once

#include <cstdint>

namespace cairn {

std::uint64_t test_seed();

}  // namespace cairn
