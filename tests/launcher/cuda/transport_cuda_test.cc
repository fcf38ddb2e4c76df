#include <gtest/gtest.h>

#include "launcher/transport.h"
#include "parallel/worlds.h"
#include "tests/support/thread_ranks.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

// The sum of the ranks' numbers, from 1 on, by the device's world.
float sum_of_ranks(World& world, Backend& backend) {
  std::vector<int> everyone;
  for (int rank = 0; rank < world.size(); ++rank) everyone.push_back(rank);
  const auto stream = backend.make_stream("sum");
  const auto all = world.make("all", everyone);
  const Tensor x(backend.memory(), *stream, Owner::kData, DType::kF32, {1});
  auto value = static_cast<float>(world.rank() + 1);
  backend.upload(*stream, x, &value);
  all->all_reduce(*stream, x);
  backend.download(*stream, &value, x);
  stream->synchronize();
  return value;
}

void expect_sum(int ranks, const Config& config) {
  on_threads(ranks, [&](World& host) {
    const auto backend =
        make_backend("cuda", {.threads = 1, .device = host.rank()});
    const auto world =
        make_device_world(config, host, *backend, {host.rank(), host.size()});

    EXPECT_EQ(sum_of_ranks(*world, *backend),
              static_cast<float>(ranks * (ranks + 1)) / 2);
  });
}

TEST(CudaDeviceWorld, CarriesWhateverTheRanksHaveADeviceEach) {
  const int devices = devices_of("cuda");
  Config config;
  expect_sum(devices, config);
  expect_sum(devices + 1, config);
  config.parallel.transport = "host";
  expect_sum(devices, config);
}

TEST(CudaDeviceWorld, IsOfNcclWhereItIsAskedFor) {
  if (!nccl_is_built()) GTEST_SKIP() << "Cairn was built without NCCL";
  Config config;
  config.parallel.transport = "nccl";
  expect_sum(1, config);
  expect_sum(devices_of("cuda"), config);
}

TEST(CudaDeviceWorld, IsNotOfNcclWhereRanksShareADevice) {
  if (!nccl_is_built()) GTEST_SKIP() << "Cairn was built without NCCL";
  Config config;
  config.parallel.transport = "nccl";
  const int ranks = devices_of("cuda") + 1;

  const Error error = thrown([&] { expect_sum(ranks, config); });

  EXPECT_EQ(error.message(),
            "parallel.transport = \"nccl\" takes a device for each rank, and "
            "rank 0 shares one with others of its machine; the nearest choice "
            "is \"host\"");
}

}  // namespace
}  // namespace cairn
