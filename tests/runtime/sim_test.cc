#include "runtime/sim.h"

#include <gtest/gtest.h>

#include "runtime/arena.h"
#include "runtime/ledger.h"
#include "runtime/tensor.h"
#include "tests/runtime/sim_rank.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

TEST(SimMemory, GivesAlignedAddressesThatAreNeverNullAndNeverReused) {
  const auto backend = make_backend("sim", {});
  const auto stream = backend->make_stream("s");
  std::uintptr_t end = 0;
  for (const std::size_t bytes : {0U, 1U, 256U, 257U, 1U << 30}) {
    void* address = backend->memory().allocate(bytes, Owner::kData, *stream);
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    EXPECT_NE(address, nullptr);
    EXPECT_EQ(place % kMemoryAlignment, 0U);
    EXPECT_GE(place, end);
    end = place + bytes + (bytes == 0 ? 1 : 0);
    backend->memory().deallocate(address, bytes, Owner::kData, *stream);
  }
}

TEST(SimBackend, HasTheWorkspaceAndTheRankThatItWasMadeFor) {
  SimMachine machine({});
  const auto backend = machine.make_backend(3, 4096);
  EXPECT_EQ(backend->workspace_bytes(), 4096U);
  EXPECT_EQ(to_text(backend->device()), "sim:3");
}

TEST(SimBackend, TouchesNoMemory) {
  const auto backend = make_backend("sim", {});
  const auto stream = backend->make_stream("s");
  const Tensor workspace(backend->memory(), *stream, Owner::kWorkspace,
                         DType::kF32, {1024});
  const Tensor tensor(backend->memory(), *stream, Owner::kData, DType::kF32,
                      {std::int64_t{1} << 40});
  const auto kernels = backend->make_kernels(workspace);
  float host = 3.0F;

  // The addresses are nobody's: to follow one is a fault.
  backend->upload(*stream, tensor, &host);
  kernels->fill(*stream, tensor, 1.0F);
  kernels->add(*stream, tensor, tensor);
  backend->download(*stream, &host, tensor);
  stream->synchronize();

  EXPECT_EQ(host, 3.0F);
}

TEST(SimBackend, MadeByNameKnowsTimesOnceItsHostHasSynchronized) {
  const auto backend = make_backend("sim", {});
  const auto stream = backend->make_stream("s");
  const auto kernels = backend->make_kernels({});
  const Tensor tensor(backend->memory(), *stream, Owner::kData, DType::kF32,
                      {std::int64_t{1} << 20});
  const auto begin = stream->record();
  kernels->fill(*stream, tensor, 1.0F);
  const auto end = stream->record();

  EXPECT_TRUE(end->reached());
  EXPECT_THROW(end->seconds_since(*begin), Error);
  end->synchronize();

  const CostModel costs;
  EXPECT_NEAR(end->seconds_since(*begin),
              4.0 * (1 << 20) / costs.bytes_per_second + costs.kernel_overhead +
                  costs.event_overhead,
              1e-8);
}

TEST(SimStream, OfOneRankIsRefusedByAnother) {
  SimMachine machine({});
  SimTestRank first(machine, 0);
  SimTestRank second(machine, 1);
  float host = 0.0F;
  const Tensor tensor = second.tensor("s", 4);

  const Error error =
      thrown([&] { second.backend().download(first["s"], &host, tensor); });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(), "a stream of sim:0 was given to sim:1");
}

TEST(SimTimes, OfAStreamAddUp) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  const Tensor x = rank.tensor("s", 400);
  const auto begin = rank["s"].record();
  rank.write("s", x);
  rank.copy("s", x, x);
  const auto end = rank["s"].record();
  machine.solve();

  EXPECT_EQ(rank.end(), 400 + 800);
  EXPECT_DOUBLE_EQ(end->seconds_since(*begin), 1200e-9);
}

TEST(SimTimes, OfKernelsAndMarksHaveTheOverheadsOfTheModel) {
  CostModel costs = byte_a_nanosecond();
  costs.kernel_overhead = 50e-9;
  costs.event_overhead = 7e-9;
  SimMachine machine(costs);
  SimTestRank rank(machine, 0);
  const Tensor x = rank.tensor("a", 400);
  rank.write("a", x);
  rank.wait("b", "a");
  machine.solve();

  EXPECT_EQ(rank.end(), 50 + 400 + 7 + 7);
}

TEST(SimTimes, OfAStreamBeginNoEarlierThanTheEventItWaitsFor) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  const Tensor x = rank.tensor("a", 400);
  const Tensor y = rank.tensor("b", 1000);
  rank.write("b", y);
  rank.write("a", x);
  rank.wait("b", "a");  // in vain: b is busy until then
  rank.wait("a", "b");
  rank.copy("a", y, x.view());
  machine.solve();

  const auto tracks = machine.take_tracks();
  ASSERT_EQ(tracks.size(), 2U);
  EXPECT_EQ(tracks[0].stream, "a");
  ASSERT_EQ(tracks[0].spans.size(), 2U);
  EXPECT_EQ(tracks[0].spans[0].name, "fill");
  EXPECT_EQ(tracks[0].spans[0].end.count(), 400);
  EXPECT_EQ(tracks[0].spans[1].name, "cast");
  EXPECT_EQ(tracks[0].spans[1].begin.count(), 1000);
  EXPECT_EQ(tracks[1].spans[0].end.count(), 1000);
  EXPECT_TRUE(machine.take_tracks().empty());
}

TEST(SimTimes, GoOnFromOneSolutionToTheNext) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  const Tensor x = rank.tensor("a", 400);
  rank.write("a", x);
  const auto first = rank["a"].record();
  machine.solve();
  rank["b"].wait(first);
  rank.write("b", x);
  const auto second = rank["b"].record();
  machine.solve();

  EXPECT_EQ(rank.end(), 800);
  EXPECT_DOUBLE_EQ(second->seconds_since(*first), 400e-9);
}

TEST(SimTimes, AfterAHostWaitedBeginNoEarlierThanWhatItWaitedFor) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  const Tensor x = rank.tensor("a", 400);
  rank.write("a", x);
  rank["a"].synchronize();
  rank.write("b", x);  // and there is an order: no race
  machine.solve();

  EXPECT_EQ(rank.end(), 800);
}

TEST(SimTimes, AreTheSameEveryTime) {
  std::vector<std::int64_t> ends;
  for (int i = 0; i < 2; ++i) {
    CostModel costs;
    costs.f32.flops_per_second = 3e9;
    costs.bytes_per_second = 7e9;
    SimMachine machine(costs);
    SimTestRank rank(machine, 0);
    for (int k = 1; k < 50; ++k) {
      const std::string stream = std::to_string(k % 3);
      rank.write(stream, rank.tensor(stream, 4L * k));
      rank.wait(std::to_string(k % 2), stream);
    }
    machine.solve();
    ends.push_back(rank.end());
  }
  EXPECT_EQ(ends[0], ends[1]);
}

TEST(SimTimes, AreBoundByTheHostWhereItEnqueuesMoreSlowly) {
  CostModel costs = byte_a_nanosecond();
  costs.kernel_issue = 1000e-9;
  SimMachine machine(costs);
  SimTestRank rank(machine, 0);
  rank.write("a", rank.tensor("a", 400));
  rank.write("a", rank.tensor("a", 400));
  rank.write("b", rank.tensor("b", 5000));
  rank.write("a", rank.tensor("a", 400));
  machine.solve();

  // The third is enqueued at 3000 and takes 5000; the fourth is at 4000.
  EXPECT_EQ(rank.end(), 8000);
}

TEST(SimTimes, CountTheHostFromWhatItWaitedFor) {
  CostModel costs = byte_a_nanosecond();
  costs.kernel_issue = 100e-9;
  SimMachine machine(costs);
  const auto backend = machine.make_backend(0, 0);
  const auto first = backend->make_stream("first");
  const auto second = backend->make_stream("second");
  const auto kernels = backend->make_kernels({});
  const Tensor a(backend->memory(), *first, Owner::kData, DType::kF32, {250});
  const Tensor b(backend->memory(), *second, Owner::kData, DType::kF32, {25});

  kernels->fill(*first, a, 0.0F);  // from 100 to 1100
  first->record()->synchronize();
  kernels->fill(*second, b, 0.0F);  // enqueued at 1200
  const auto end = second->record();
  machine.solve();

  EXPECT_EQ(machine.end(0).count(), 1300);
}

TEST(SimKernels, AreListedOnceForEachKeyWithTheirCalls) {
  SimMachine machine({});
  SimTestRank rank(machine, 0);
  rank.write("a", rank.tensor("a", 400));
  rank.write("a", rank.tensor("a", 400));
  rank.write("a", rank.tensor("a", 800));

  ASSERT_EQ(machine.kernels().size(), 2U);
  EXPECT_EQ(machine.kernels()[0].key, "fill x=f32[100]");
  EXPECT_EQ(machine.kernels()[0].calls, 2);
  EXPECT_EQ(machine.kernels()[1].calls, 1);
}

TEST(SimKernels, TakeWhatWasMeasuredForTheirKey) {
  CostModel costs = byte_a_nanosecond();
  costs.kernel_overhead = 1.0;
  costs.measured["fill x=f32[100]"].seconds = 3e-6;
  SimMachine machine(costs);
  SimTestRank rank(machine, 0);
  rank.write("a", rank.tensor("a", 400));
  machine.solve();

  EXPECT_EQ(rank.end(), 3000);
}

}  // namespace
}  // namespace cairn
