#include "parallel/counted_world.h"

#include <gtest/gtest.h>

#include "parallel/sim_world.h"
#include "tests/runtime/sim_rank.h"
#include "tests/support/thread_ranks.h"

namespace cairn {
namespace {

// What every rank of three sends by `work`, which is done to a communicator of
// all, with 300 and 900 bytes of memory.
struct Operands {
  Communicator& comm;
  Stream& stream;
  TensorView part;   // 300 bytes
  TensorView whole;  // 900 bytes
};
std::vector<std::int64_t> sent_by(
    const std::function<void(const Operands&)>& work) {
  constexpr int kRanks = 3;
  SimMachine machine(byte_a_nanosecond());
  std::vector<std::int64_t> sent;
  for (int r = 0; r < kRanks; ++r) {
    SimTestRank rank(machine, r);
    const auto inner = make_sim_world(machine, r, kRanks);
    Traffic traffic;
    const auto world = make_counted_world(*inner, traffic);
    const auto comm = world->make("data", {0, 1, 2});
    EXPECT_EQ(comm->group().rank, r);
    EXPECT_EQ(traffic, (Traffic{{"data", 0}}));
    const Tensor whole = rank.tensor("s", 900);
    work({*comm, rank["s"], whole.view().part(r * 75, {75}), whole});
    sent.push_back(traffic.at("data"));
  }
  machine.solve();
  return sent;
}

using Bytes = std::vector<std::int64_t>;

TEST(CountedWorld, CountsWhatGathersAndSumsSendAtLeast) {
  EXPECT_EQ(sent_by([](const Operands& o) {
              o.comm.all_gather(o.stream, o.part, o.whole);
            }),
            (Bytes{600, 600, 600}));
  EXPECT_EQ(sent_by([](const Operands& o) {
              o.comm.reduce_scatter(o.stream, o.whole, o.part);
            }),
            (Bytes{600, 600, 600}));
  EXPECT_EQ(
      sent_by([](const Operands& o) { o.comm.all_reduce(o.stream, o.whole); }),
      (Bytes{1200, 1200, 1200}));
}

TEST(CountedWorld, CountsABroadcastAtItsRoot) {
  EXPECT_EQ(sent_by([](const Operands& o) {
              o.comm.broadcast(o.stream, o.whole, 1);
            }),
            (Bytes{0, 1800, 0}));
}

TEST(CountedWorld, CountsATransferWhereItLeaves) {
  EXPECT_EQ(sent_by([](const Operands& o) {
              const int rank = o.comm.group().rank;
              if (rank == 2) o.comm.send(o.stream, o.part, 0);
              if (rank == 0) o.comm.receive(o.stream, o.part, 2);
            }),
            (Bytes{0, 0, 300}));
}

TEST(CountedWorld, CountsNothingForABarrier) {
  EXPECT_EQ(sent_by([](const Operands& o) { o.comm.barrier(o.stream); }),
            (Bytes{0, 0, 0}));
}

TEST(CountedWorld, AddsUpGroupsOfOneNameAndTellsOthersApart) {
  on_threads(2, [](World& inner) {
    Traffic traffic;
    const auto world = make_counted_world(inner, traffic);
    const auto backend = make_backend("cpu", {1});
    const auto stream = backend->make_stream("s");
    const Tensor x(backend->memory(), *stream, Owner::kData, DType::kF32, {10});
    const std::vector<float> ones(10, 1.0F);
    backend->upload(*stream, x, ones.data());
    for (const char* name : {"one", "one", "other"}) {
      const auto comm = world->make(name, {0, 1});
      comm->all_reduce(*stream, x);
      stream->synchronize();
    }

    EXPECT_EQ(traffic, (Traffic{{"one", 80}, {"other", 40}}));
    EXPECT_EQ(world->rank(), inner.rank());
    EXPECT_EQ(world->size(), 2);
    std::vector<float> values(10);
    backend->download(*stream, values.data(), x);
    stream->synchronize();
    EXPECT_EQ(values, std::vector<float>(10, 8.0F));
  });
}

TEST(CountedWorld, PassesOnThatARankGaveUp) {
  on_threads(1, [](World& inner) {
    Traffic traffic;
    const auto world = make_counted_world(inner, traffic);
    EXPECT_EQ(world->lost(), std::nullopt);

    world->abort("no more");

    EXPECT_EQ(world->lost(), inner.lost());
    EXPECT_NE(world->lost().value_or("").find("no more"), std::string::npos);
  });
}

}  // namespace
}  // namespace cairn
