#include "tests/support/test_seed.h"

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace cairn {
namespace {

std::uint64_t chosen() {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "CAIRN_TEST_SEED=" << seed << std::endl;
  return seed;
}

}  // namespace

std::uint64_t test_seed() {
  static const std::uint64_t seed = chosen();
  return seed;
}

}  // namespace cairn
