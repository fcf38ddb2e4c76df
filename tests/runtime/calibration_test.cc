#include "runtime/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "runtime/sim.h"
#include "tests/runtime/op_samples.h"

namespace cairn {
namespace {

TEST(Calibration, GivesEveryOperationATimeAndASimulationTheirSum) {
  const OpSamples samples;
  const auto backend = make_backend("cpu", {.threads = 1});
  CostModel costs;
  costs.measured = measure(
      *backend, samples.ops(),
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

  const auto found = measure(*backend, ops, {.repeats = 1, .most_calls = 1});

  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.begin()->first, machine.kernels()[0].key);
}

TEST(Calibration, MeasuresWhatAHostThreadCopiesAndAdds) {
  const HostRates rates = measure_host(1 << 16, 2);
  EXPECT_GT(rates.copy, 0.0);
  EXPECT_GT(rates.sum, 0.0);
}

}  // namespace
}  // namespace cairn
