// The suite over processes. mpirun starts this program; every rank runs every
// case, and each case makes a world of its own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mpi.h>

#include <iostream>

#include "parallel/staged_world.h"
#include "parallel/worlds.h"
#include "tests/parallel/communicator_suite.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

Body body() {
  return {"mpi", world_size(),
          [](const WorldOptions& options, const RankProgram& program) {
            const auto world = make_mpi_world(options);
            program(*world);
          }};
}

Body staged_body() {
  return {"staged", world_size(),
          [](const WorldOptions& options, const RankProgram& program) {
            const auto host = make_mpi_world(options);
            const auto backend = make_backend("cpu", {1});
            program(*make_staged_world(*host, *backend));
          }};
}

INSTANTIATE_TEST_SUITE_P(Mpi, CommunicatorSuite,
                         testing::Values(body(), staged_body()),
                         [](const auto& param) { return param.param.name; });

TEST(MpiWorld, KnowsItsPlace) {
  const auto world = make_mpi_world({});
  EXPECT_TRUE(launched_by_mpi());
  EXPECT_EQ(world->rank(), world_rank());
  EXPECT_EQ(world->size(), world_size());
}

TEST(MpiWorld, RefusesGroupsThatDiffer) {
  const auto world = make_mpi_world({});
  const bool first = world->rank() == 0;
  const Error error = thrown(
      [&] { world->make(first ? "data" : "pipeline", all_ranks(*world)); });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_THAT(error.message(),
              testing::HasSubstr(first ? "rank 0 makes group data while rank 1 "
                                       : "makes group pipeline while rank 0 "));
}

TEST(MpiWorld, NamesARankThatDoesNotComeToMakeAGroup) {
  const auto world =
      make_mpi_world({.timeout = std::chrono::milliseconds(300)});
  if (world->rank() == 1) {
    while (!world->lost()) {
    }
    return;
  }
  const Error error = thrown([&] { world->make("data", all_ranks(*world)); });

  EXPECT_EQ(error.code(), Code::kPeerLost);
  EXPECT_THAT(error.message(),
              testing::HasSubstr("in make on group data: rank 1 never came"));
}

// On ranks that are not to print: what failed, and nothing else.
class FailuresOnly final : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::cerr << "rank " << world_rank() << ": " << result.file_name() << ":"
              << result.line_number() << ": " << result.message() << std::endl;
  }
};

int run(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (world_rank() != 0) {
    testing::TestEventListeners& listeners =
        testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOnly);
  }
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  const int code = cairn::run(argc, argv);
  MPI_Finalize();
  return code;
}
