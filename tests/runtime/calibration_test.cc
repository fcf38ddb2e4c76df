#include "runtime/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/sim.h"
#include "tests/runtime/op_samples.h"

namespace cairn {
namespace {

Load load_of(const std::vector<KernelOp>& ops) {
  Load load;
  for (const KernelOp& op : ops) load.push_back({op, 1});
  return load;
}

TEST(Calibration, GivesEveryOperationATimeAndASimulationTheirSum) {
  const OpSamples samples;
  const auto backend = make_backend("cpu", {.threads = 1});
  CostModel costs;
  costs.measured = measure(
      *backend, {load_of(samples.ops())},
      {.repeats = 3, .least = 1e-5, .most_calls = 4, .spread_bytes = 4096});
  SimMachine machine(costs);
  const auto sim = machine.make_backend(0, 0);
  const auto stream = sim->make_stream("s");
  const auto kernels = sim->make_kernels({});

  std::int64_t sum = 0;
  for (const KernelOp& op : samples.ops()) {
    ASSERT_TRUE(costs.measured.contains(key_of(op))) << key_of(op);
    const double seconds = costs.measured.at(key_of(op)).seconds;
    EXPECT_GT(seconds, 0.0) << key_of(op);
    sum += std::llround(seconds * 1e9);
    enqueue(*kernels, *stream, op);
  }
  machine.solve();

  EXPECT_EQ(machine.end(0).count(), sum);
}

// The operations that a simulation recorded have addresses of nobody.
TEST(Calibration, TakesOperationsAsASimulationRecordedThem) {
  SimMachine machine({});
  const auto sim = machine.make_backend(0, 0);
  const auto stream = sim->make_stream("s");
  const auto kernels = sim->make_kernels({});
  const Tensor table(sim->memory(), *stream, Owner::kParameters, DType::kF32,
                     {50, 16});
  const Tensor tokens(sim->memory(), *stream, Owner::kData, DType::kI32, {70});
  const Tensor y(sim->memory(), *stream, Owner::kActivations, DType::kF32,
                 {70, 16});
  EmbeddingForward op;
  op.tokens = tokens;
  op.table = table;
  op.y = y;
  kernels->embedding_forward(*stream, op);
  std::vector<KernelOp> ops;
  for (const SimKernel& kernel : machine.kernels()) ops.push_back(kernel.op);
  const auto backend = make_backend("cpu", {.threads = 1});

  const auto found =
      measure(*backend, {load_of(ops)}, {.repeats = 1, .most_calls = 1});

  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.begin()->first, machine.kernels()[0].key);
}

// A pretended device takes what its rates say, however often it is asked.
TEST(Calibration, SharesARoundAmongTheOperationsOfEachLoad) {
  std::byte place{};
  const Fill small{{&place, DType::kF32, {100}}};
  const Fill large{{&place, DType::kF32, {1000}}};
  const Fill other{{&place, DType::kF32, {500}}};
  const auto backend = make_backend("sim", {});

  const auto found =
      measure(*backend, {{{small, 7}, {large, 1}}, {{large, 0}, {other, 2}}},
              {.repeats = 2, .least = 1e-6, .round = 1e-3, .warm_up = 2e-3});

  ASSERT_EQ(found.size(), 3U);
  const CostModel costs;
  for (const Fill& fill : {small, large, other}) {
    const std::string key = key_of(fill);
    EXPECT_NEAR(found.at(key).seconds, 1e-9 * costs.kernel(fill, key).count(),
                2e-8)
        << key;
    EXPECT_EQ(found.at(key).profile.bytes, fill.x.bytes()) << key;
  }
}

TEST(Calibration, MeasuresWhatAHostThreadCopiesAndAdds) {
  const HostRates rates = measure_host(1 << 16, 2);
  EXPECT_GT(rates.copy, 0.0);
  EXPECT_GT(rates.sum, 0.0);
}

}  // namespace
}  // namespace cairn
