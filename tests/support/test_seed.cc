#include "tests/support/test_seed.h"

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace cairn {
namespace {

std::uint64_t choose() {
  if (const char* text = std::getenv("CAIRN_TEST_SEED")) {
    return std::stoull(text);
  }
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const std::uint64_t chosen = choose();
    std::cout << "CAIRN_TEST_SEED=" << chosen << std::endl;
    return chosen;
  }();
  return seed;
}

}  // namespace cairn
