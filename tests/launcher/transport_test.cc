#include "launcher/transport.h"

#include <gtest/gtest.h>

#include "rank_threads.h"
#include "tests/support/thread_ranks.h"

namespace cairn {
namespace {

TEST(FirstUnable, IsTheSameOnEveryRank) {
  on_threads(4, [](World& world) {
    EXPECT_EQ(first_unable(world, true), -1);
    EXPECT_EQ(first_unable(world, world.rank() < 2), 2);
  });
}

TEST(DeviceWorld, IsTheHostsOwnOnTheCpu) {
  const auto backend = make_backend("cpu", {1});
  const auto host = solo_world();

  EXPECT_EQ(make_device_world(Config{}, *host, *backend, {}), nullptr);
}

}  // namespace
}  // namespace cairn
