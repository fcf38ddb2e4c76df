// The part of the suite in which something goes wrong.

#include <gmock/gmock.h>

#include <thread>

#include "tests/parallel/communicator_suite.h"

namespace cairn {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

void await_failure(World& world) {
  while (!world.lost()) std::this_thread::yield();
}

// Returns at rank 0 once every rank has called it. What rank 0 does then may
// reach the others while they are still in here.
void meet_at_first(World& world, Lane& token) {
  std::vector<float> x(1);
  for (int rank = 1; rank < world.size(); ++rank) {
    if (world.rank() == 0) token.comm->receive(token.stream, view_of(x), rank);
    if (world.rank() == rank) token.comm->send(token.stream, view_of(x), 0);
  }
  try {
    token.stream.synchronize();
  } catch (const Error&) {
    EXPECT_NE(world.rank(), 0);
  }
}

TEST_P(CommunicatorSuite, RefusesSizesThatDifferWithBothOnEveryRank) {
  if (!looks()) GTEST_SKIP() << "members do not look at the others";
  if (size() == 1) GTEST_SKIP() << "a rank agrees with itself";
  run([](World& world) {
    const int last = world.size() - 1;
    Lane lane(world, "data", all_ranks(world));
    std::vector<float> x(world.rank() == last ? 8 : 7);

    lane.comm->all_reduce(lane.stream, view_of(x));
    const Error error = lane.failure();

    EXPECT_EQ(error.code(), Code::kBadArgument);
    EXPECT_EQ(error.message(),
              "on group data rank 0 came to all_reduce of 28 bytes of f32 and "
              "rank " +
                  std::to_string(last) +
                  " to all_reduce of 32 bytes of f32; members bring the same");
  });
}

TEST_P(CommunicatorSuite, RefusesOperationsThatDiffer) {
  if (!looks()) GTEST_SKIP() << "members do not look at the others";
  if (size() == 1) GTEST_SKIP() << "a rank agrees with itself";
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    std::vector<float> x(7);

    if (world.rank() == 0) {
      lane.comm->barrier(lane.stream);
    } else {
      lane.comm->broadcast(lane.stream, view_of(x), 1);
    }
    const Error error = lane.failure();

    EXPECT_EQ(error.code(), Code::kBadArgument);
    EXPECT_EQ(error.message(),
              "on group data rank 0 came to barrier and rank 1 to broadcast of "
              "28 bytes of f32 from rank 1; members bring the same");
  });
}

TEST_P(CommunicatorSuite, RefusesAChannelWhoseEndsDiffer) {
  if (!looks()) GTEST_SKIP() << "members do not look at the others";
  if (size() == 1) GTEST_SKIP() << "a rank has no channel to itself";
  run([](World& world) {
    if (world.rank() > 1) return;
    Lane lane(world, "channel", {0, 1});
    std::vector<float> x(world.rank() == 0 ? 3 : 4);

    if (world.rank() == 0) {
      lane.comm->send(lane.stream, view_of(x), 1);
    } else {
      lane.comm->receive(lane.stream, view_of(x), 0);
    }

    EXPECT_EQ(
        lane.failure().message(),
        "on group channel rank 0 came to send of 12 bytes of f32 and rank "
        "1 to receive of 16 bytes of f32; members bring the same");
  });
}

TEST_P(CommunicatorSuite, NamesTheRankThatNeverComes) {
  if (!looks()) GTEST_SKIP() << "members do not look at the others";
  if (size() == 1) GTEST_SKIP() << "a rank waits for nobody";
  run({.timeout = std::chrono::milliseconds(300)}, [](World& world) {
    const int last = world.size() - 1;
    Lane lane(world, "data", all_ranks(world));
    std::vector<float> x(1024);

    if (world.rank() == last) {
      await_failure(world);
      lane.comm->all_reduce(lane.stream, view_of(x));
      const Error error = lane.failure();
      EXPECT_EQ(error.code(), Code::kPeerLost);
      EXPECT_THAT(error.message(), HasSubstr(" did not begin all_reduce"));
      return;
    }
    lane.comm->all_reduce(lane.stream, view_of(x));
    const Error error = lane.failure();

    EXPECT_EQ(error.code(), Code::kPeerLost);
    EXPECT_THAT(
        error.message(),
        StartsWith("rank " + std::to_string(world.rank()) + " waited "));
    EXPECT_THAT(
        error.message(),
        HasSubstr(" ms in all_reduce of 4096 bytes on group data: rank " +
                  std::to_string(last) + " never came"));
    EXPECT_THAT(error.message(),
                HasSubstr("rank " + std::to_string(last) + " was computing"));
  });
}

TEST_P(CommunicatorSuite, NamesTheEndOfAChannelThatNeverComes) {
  if (!looks()) GTEST_SKIP() << "members do not look at the others";
  if (size() == 1) GTEST_SKIP() << "a rank has no channel to itself";
  run({.timeout = std::chrono::milliseconds(300)}, [](World& world) {
    Lane lane(world, "edge", all_ranks(world));
    std::vector<float> x(16);

    if (world.rank() != 0) return await_failure(world);
    lane.comm->receive(lane.stream, view_of(x), 1);
    const Error error = lane.failure();

    EXPECT_EQ(error.code(), Code::kPeerLost);
    EXPECT_THAT(
        error.message(),
        HasSubstr("in receive of 64 bytes on group edge: rank 1 never came"));
  });
}

TEST_P(CommunicatorSuite, EndsEveryWaitWhenARankGivesUp) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    Lane other(world, "other", all_ranks(world));
    Lane token(world, "token", all_ranks(world));
    std::vector<float> x(7);

    meet_at_first(world, token);
    if (world.rank() == 0) {
      world.abort("the drive is full");
    } else {
      lane.comm->all_reduce(lane.stream, view_of(x));
      const Error waited = lane.failure();
      EXPECT_EQ(waited.code(), Code::kPeerLost);
      EXPECT_THAT(waited.message(),
                  HasSubstr("rank 0 gave up: the drive is full"));
    }
    other.comm->barrier(other.stream);
    const Error later = other.failure();

    EXPECT_EQ(later.message(),
              "rank " + std::to_string(world.rank()) +
                  " did not begin barrier on group other: rank 0 gave up: the "
                  "drive is full");
    EXPECT_EQ(world.lost(), "rank 0 gave up: the drive is full");
  });
}

TEST_P(CommunicatorSuite, FailsTheStreamsThatWaitForTheFailedOne) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    Lane token(world, "token", all_ranks(world));
    CpuStream compute("compute");
    bool computed = false;

    meet_at_first(world, token);
    if (world.rank() == 0) world.abort("stop");
    await_failure(world);
    lane.comm->barrier(lane.stream);
    compute.wait(lane.stream.record());
    compute.enqueue([&] { computed = true; });

    EXPECT_THROW(compute.synchronize(), Error);
    EXPECT_FALSE(computed);
    EXPECT_THROW(lane.stream.synchronize(), Error);
  });
}

TEST_P(CommunicatorSuite, KnowsOfNoLossWhileAllIsWell) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));

    lane.comm->barrier(lane.stream);
    lane.stream.synchronize();

    EXPECT_EQ(world.lost(), std::nullopt);
  });
}

}  // namespace
}  // namespace cairn
