#include "runtime/cpu/cpu_stream.h"

#include <gtest/gtest.h>

#include "runtime/cpu/team.h"
#include "runtime/error.h"

namespace cairn {
namespace {

TEST(CpuStream, RunsMoreWorkThanItsRingHoldsInOrder) {
  CpuStream stream("s");
  int next = 0;
  bool ordered = true;

  for (int k = 0; k < 5000; ++k) {
    stream.enqueue([&, k] { ordered = ordered && next++ == k; });
  }
  stream.synchronize();

  EXPECT_TRUE(ordered);
  EXPECT_EQ(next, 5000);
}

TEST(CpuStream, PassesAFailureOnAndStillDoesWhatMustHappen) {
  CpuStream first("a");
  CpuStream second("b");
  bool worked = false;
  bool released = false;

  first.enqueue([] { throw Error(Code::kPeerLost, "rank 3 is gone"); });
  second.wait(first.record());
  second.enqueue([&] { worked = true; });
  second.enqueue_always([&] { released = true; });

  EXPECT_THROW(second.synchronize(), Error);
  EXPECT_FALSE(worked);
  EXPECT_TRUE(released);
}

TEST(Team, TakesEachPieceOnceInEveryRoundAndRethrows) {
  Team team(3);
  std::vector<int> taken(50);
  for (int round = 0; round < 200; ++round) {
    team.for_each(50, [&](std::int64_t p, int) { ++taken[p]; });
  }
  EXPECT_EQ(taken, std::vector<int>(50, 200));
  EXPECT_THROW(team.for_each(9, [](std::int64_t, int) { throw 1; }), int);
}

}  // namespace
}  // namespace cairn
