#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "parallel/worlds.h"
#include "tests/parallel/communicator_suite.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

void run_threads(int size, const WorldOptions& options,
                 const RankProgram& program) {
  std::vector<std::thread> threads;
  for (auto& world : make_thread_worlds(size, options)) {
    threads.emplace_back(
        [&program, own = std::move(world)]() mutable { program(*own); });
  }
  for (std::thread& thread : threads) thread.join();
}

Body body_of(int size) {
  return {"threads" + std::to_string(size), size,
          [size](const WorldOptions& options, const RankProgram& program) {
            run_threads(size, options, program);
          }};
}

INSTANTIATE_TEST_SUITE_P(Threads, CommunicatorSuite,
                         testing::Values(body_of(1), body_of(2), body_of(3),
                                         body_of(4)),
                         [](const auto& param) { return param.param.name; });

TEST(ThreadWorlds, EndAWaitAtOnceWhenTheOtherLeaves) {
  run_threads(2, {.timeout = std::chrono::hours(1)}, [](World& world) {
    Lane lane(world, "data", {0, 1});
    if (world.rank() == 1) return;

    lane.comm->barrier(lane.stream);

    EXPECT_THAT(lane.failure().message(),
                testing::MatchesRegex(
                    "rank 0 waited [0-9]+ ms in barrier on group data: rank 1 "
                    "never came; rank 0 was waiting in barrier on group data; "
                    "rank 1 had left"));
  });
}

TEST(LaunchedByMpi, GoesByWhatMpirunTellsItsProcesses) {
  unsetenv("OMPI_COMM_WORLD_SIZE");
  unsetenv("PMIX_RANK");
  EXPECT_FALSE(launched_by_mpi());
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  EXPECT_TRUE(launched_by_mpi());
  unsetenv("OMPI_COMM_WORLD_SIZE");
}

TEST(ThreadWorlds, RefuseAWorldOfNobody) {
  const Error error = thrown([] { make_thread_worlds(0, {}); });
  EXPECT_EQ(error.message(),
            "a world of 0 ranks was asked for; the least is 1");
}

TEST(ThreadWorlds, RefuseMoreGroupsThanARankCanShow) {
  const auto worlds = make_thread_worlds(1, {});
  std::vector<std::unique_ptr<Communicator>> made;
  for (int k = 0; k < 64; ++k) made.push_back(worlds[0]->make("g", {0}));

  const Error error = thrown([&] { worlds[0]->make("one", {0}); });
  made.pop_back();

  EXPECT_EQ(error.message(),
            "rank 0 made group one beside 64 others, which is the most at a "
            "time");
  EXPECT_NO_THROW(worlds[0]->make("one", {0}));
}

}  // namespace
}  // namespace cairn
