// The suite over operands on a device, which all ranks share.

#include <thread>

#include "parallel/staged_world.h"
#include "parallel/worlds.h"
#include "tests/parallel/communicator_suite.h"
#include "tests/parallel/cuda/device_operands.h"

namespace cairn {
namespace {

constexpr std::size_t kPartBytes = (std::size_t{8} << 20) + 4096;

void run_staged(int size, const WorldOptions& options,
                const std::function<void(World&, Backend&)>& program) {
  std::vector<std::thread> threads;
  for (auto& world : make_thread_worlds(size, options)) {
    threads.emplace_back([&program, host = std::move(world)]() mutable {
      const auto backend = make_backend("cuda", {});
      program(*make_staged_world(*host, *backend), *backend);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void run_from_host(int size, const WorldOptions& options,
                   const RankProgram& program) {
  run_staged(size, options, [&program](World& world, Backend& backend) {
    const auto members = static_cast<std::size_t>(world.size());
    program(*make_device_operands(world, backend, kPartBytes * (members + 1)));
  });
}

Body body_of(int size) {
  return {"staged" + std::to_string(size), size,
          [size](const WorldOptions& options, const RankProgram& program) {
            run_from_host(size, options, program);
          }};
}

INSTANTIATE_TEST_SUITE_P(StagedCuda, CommunicatorSuite,
                         testing::Values(body_of(1), body_of(2), body_of(4)),
                         [](const auto& param) { return param.param.name; });

// A stream of the device with a communicator of its own.
struct DeviceLane {
  DeviceLane(World& world, Backend& backend, const std::string& name)
      : comm(world.make(name, all_ranks(world))),
        stream(backend.make_stream(name)),
        x(backend.memory(), *stream, Owner::kData, DType::kF32, {3001}) {}

  std::unique_ptr<Communicator> comm;
  std::unique_ptr<Stream> stream;
  Tensor x;
};

// More streams than the device has queues, and what each rank enqueues first
// the next enqueues last.
TEST(StagedCuda, CarriesMoreStreamsThanTheDeviceHasQueues) {
  constexpr std::size_t kLanes = 16;
  run_staged(
      4, {.timeout = std::chrono::seconds(30)},
      [](World& world, Backend& backend) {
        std::vector<std::unique_ptr<DeviceLane>> lanes;
        std::vector<std::vector<float>> values;
        for (unsigned l = 0; l < kLanes; ++l) {
          lanes.push_back(std::make_unique<DeviceLane>(
              world, backend, "lane" + std::to_string(l)));
          values.push_back(values_of<float>(world.rank(), 3001, l));
        }
        const auto compute = backend.make_stream("compute");

        const auto turn = static_cast<std::size_t>(world.rank()) * kLanes / 4;
        for (std::size_t k = 0; k < kLanes; ++k) {
          const std::size_t l = (k + turn) % kLanes;
          DeviceLane& lane = *lanes[l];
          backend.upload(*lane.stream, lane.x, values[l].data());
          lane.comm->all_reduce(*lane.stream, lane.x);
          compute->wait(lane.stream->record());
          backend.download(*compute, values[l].data(), lane.x);
        }
        compute->synchronize();

        for (unsigned l = 0; l < kLanes; ++l) {
          EXPECT_TRUE(values[l] == sum_of<float>(all_ranks(world), 3001, l))
              << l;
        }
      });
}

}  // namespace
}  // namespace cairn
