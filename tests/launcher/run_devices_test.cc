#include "launcher/run_devices.h"

#include <gtest/gtest.h>

#include "tests/support/thread_ranks.h"

namespace cairn {
namespace {

RankCard on(const std::string& host, const std::string& uuid,
            const std::string& name = "NVIDIA H200") {
  return {{name, uuid}, host};
}

TEST(RunDevices, CountACardOnceHoweverManyRanksShareIt) {
  const RunDevices devices =
      run_devices({on("a", "1"), on("a", "1"), on("a", "1")}, 2, DType::kBF16);

  EXPECT_EQ(devices.cards.size(), 1U);
  EXPECT_EQ(devices.peak_flops, 989.4e12);
  EXPECT_EQ(devices.share_here(), 1.0);
}

TEST(RunDevices, AddThePeaksOfAllAndKnowWhichAreHere) {
  const RunDevices devices = run_devices(
      {on("a", "1"), on("a", "2"), on("b", "3"), on("b", "4")}, 3, DType::kF32);

  EXPECT_DOUBLE_EQ(devices.peak_flops.value(), 4 * 66.9e12);
  EXPECT_EQ(devices.here, (std::vector<std::string>{"3", "4"}));
  EXPECT_EQ(devices.share_here(), 0.5);
}

TEST(RunDevices, KnowNoPeakIfThatOfOneIsNotKnown) {
  for (const int odd : {0, 1}) {
    std::vector<RankCard> ranks = {on("a", "1"), on("a", "2")};
    ranks[static_cast<std::size_t>(odd)].card.name = "NVIDIA H300";

    const RunDevices devices = run_devices(ranks, 0, DType::kBF16);

    EXPECT_FALSE(devices.peak_flops);
    EXPECT_EQ(devices.unknown, "NVIDIA H300");
  }
}

TEST(RunDevices, AreTheSameForEveryRankOfAWorld) {
  on_threads(3, [](World& world) {
    const RunDevices devices =
        find_run_devices(world, {Device::Kind::kCpu, 0}, DType::kF32);

    EXPECT_EQ(devices.cards.size(), 1U);  // CPUs are no cards, and all alike
    EXPECT_EQ(devices.here.size(), 1U);
    EXPECT_FALSE(devices.peak_flops);
    EXPECT_EQ(devices.unknown, "");
  });
}

}  // namespace
}  // namespace cairn
