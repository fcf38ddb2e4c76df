// The suite by NCCL, on as many devices as there are.

#include <gmock/gmock.h>

#include <thread>

#include "parallel/worlds.h"
#include "tests/parallel/communicator_suite.h"
#include "tests/parallel/cuda/device_operands.h"

namespace cairn {
namespace {

using testing::HasSubstr;

constexpr std::size_t kPartBytes = (std::size_t{8} << 20) + 4096;

void run_rank(World& host, const NcclOptions& options,
              const RankProgram& program) {
  const auto backend =
      make_backend("cuda", {.threads = 1, .device = host.rank()});
  const auto world = make_nccl_world(host, *backend, options);
  const auto members = static_cast<std::size_t>(host.size());
  program(*make_device_operands(*world, *backend, kPartBytes * (members + 1)));
}

void run_nccl(int size, const NcclOptions& options,
              const RankProgram& program) {
  std::vector<std::thread> threads;
  for (auto& world : make_thread_worlds(size, {options.timeout})) {
    threads.emplace_back([&, host = std::move(world)]() mutable {
      run_rank(*host, options, program);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

Body body_of(int size, bool in_rank_order) {
  Body body{
      std::string(in_rank_order ? "ordered" : "own") + std::to_string(size),
      size, [=](const WorldOptions& options, const RankProgram& program) {
        run_nccl(size, {options.timeout, in_rank_order}, program);
      }};
  body.looks = false;
  return body;
}

// Sums of two are the same in every order.
std::vector<Body> bodies() {
  std::vector<Body> all;
  if (!nccl_is_built()) return all;
  for (const int size : {1, 2, 4}) {
    if (size <= devices_of("cuda")) all.push_back(body_of(size, true));
  }
  if (devices_of("cuda") >= 2) all.push_back(body_of(2, false));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Nccl, CommunicatorSuite, testing::ValuesIn(bodies()),
                         [](const auto& param) { return param.param.name; });

class NcclWorlds : public testing::Test {
 protected:
  void SetUp() override {
    if (!nccl_is_built()) GTEST_SKIP() << "Cairn was built without NCCL";
    if (devices_of("cuda") < 2) GTEST_SKIP() << "there is one device";
  }
};

// The group has to be made within the same time.
TEST_F(NcclWorlds, EndAWaitThatIsTooLongAndSayWhatWasWaitedIn) {
  run_nccl(2, {std::chrono::seconds(4)}, [](World& world) {
    Lane lane(world, "data", {0, 1});
    std::vector<float> x(1024);
    if (world.rank() == 1) {
      while (!world.lost()) std::this_thread::yield();
      return;
    }

    lane.comm->all_reduce(lane.stream, view_of(x));
    const Error error = lane.failure();

    EXPECT_EQ(error.code(), Code::kPeerLost);
    EXPECT_THAT(error.message(), HasSubstr("rank 0 waited "));
    EXPECT_THAT(error.message(),
                HasSubstr(" ms in all_reduce of 4096 bytes on group data"));
  });
}

TEST_F(NcclWorlds, SayWhoDidNotComeToMakeAGroup) {
  run_nccl(2, {std::chrono::milliseconds(500)}, [](World& world) {
    if (world.rank() == 1) {
      while (!world.lost()) std::this_thread::yield();
      return;
    }
    try {
      world.make("data", {0, 1});
      ADD_FAILURE() << "the group was made";
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr("on group data: rank 1 never "));
    }
  });
}

}  // namespace
}  // namespace cairn
