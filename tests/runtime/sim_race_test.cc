// Races that a SimMachine finds, and programs in which there are none.

#include <gtest/gtest.h>

#include <functional>

#include "runtime/arena.h"
#include "runtime/ledger.h"
#include "tests/runtime/sim_rank.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using Program = std::function<void(SimTestRank&)>;

// Plays the program without its n-th wait; -1: with all.
void play_without(const Program& program, int n) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  if (n >= 0) machine.skip_wait(0, n);
  program(rank);
  machine.solve();
}

// The program has `waits` waits and is without race; without any one of them
// it is not.
void expect_every_wait_needed(const Program& program, int waits) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  program(rank);
  machine.solve();
  ASSERT_EQ(static_cast<int>(machine.waits(0).size()), waits);
  for (int n = 0; n < waits; ++n) {
    const SimWait& wait = machine.waits(0)[static_cast<std::size_t>(n)];
    EXPECT_TRUE(wait.ordered) << n;
    const Error error = thrown([&] { play_without(program, n); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    EXPECT_NE(error.message().find("in no order"), std::string::npos)
        << wait.waiter << " for " << wait.recorder << ": " << error.message();
  }
}

TEST(SimRace, IsAReadWithoutOrderAfterAWrite) {
  expect_every_wait_needed(
      [](SimTestRank& rank) {
        const Tensor x = rank.tensor("a", 400);
        const Tensor y = rank.tensor("b", 400);
        rank.write("a", x);
        rank.wait("b", "a");
        rank.copy("b", x, y);
        rank.wait("a", "b");  // before a gives x back
      },
      2);
}

TEST(SimRace, IsAWriteWithoutOrderAfterARead) {
  expect_every_wait_needed(
      [](SimTestRank& rank) {
        const Tensor x = rank.tensor("a", 400);
        const Tensor y = rank.tensor("b", 400);
        rank.write("a", x);
        rank.wait("b", "a");
        rank.copy("b", x, y);
        rank.wait("a", "b");
        rank.write("a", x);
      },
      2);
}

TEST(SimRace, IsAWriteWithoutOrderAfterAWrite) {
  expect_every_wait_needed(
      [](SimTestRank& rank) {
        const Tensor x = rank.tensor("a", 400);
        rank.write("a", x);
        rank.wait("b", "a");
        rank.write("b", x);
        rank.wait("a", "b");
      },
      2);
}

TEST(SimRace, IsMemoryGivenBackWhileAnotherStreamUsesIt) {
  expect_every_wait_needed(
      [](SimTestRank& rank) {
        Tensor x = rank.tensor("a", 400);
        rank.wait("b", "a");
        rank.write("b", x);
        rank.wait("a", "b");
        x = {};
      },
      2);
}

TEST(SimRace, IsAnUploadIntoWhatAKernelReads) {
  expect_every_wait_needed(
      [](SimTestRank& rank) {
        static const std::vector<float> host(100);
        const Tensor x = rank.tensor("copy", 400);
        const Tensor y = rank.tensor("compute", 400);
        rank.backend().upload(rank["copy"], x, host.data());
        rank.wait("compute", "copy");
        rank.copy("compute", x, y);
        rank.wait("copy", "compute");
        rank.backend().upload(rank["copy"], x, host.data());
      },
      2);
}

TEST(SimRace, IsHostMemoryUploadedWhileADownloadFillsIt) {
  expect_every_wait_needed(
      [](SimTestRank& rank) {
        static std::vector<float> host(100);
        const Tensor x = rank.tensor("out", 400);
        const Tensor y = rank.tensor("in", 400);
        rank.write("out", x);
        rank.backend().download(rank["out"], host.data(), x);
        rank.wait("in", "out");
        rank.backend().upload(rank["in"], y, host.data());
      },
      1);
}

TEST(SimRace, IsFoundWhereOnlyPartsOverlap) {
  const Program parts = [](SimTestRank& rank) {
    const Tensor x = rank.tensor("a", 400);
    rank.wait("b", "a");
    rank.write("a", x.view().part(0, {50}));
    rank.write("b", x.view().part(50, {50}));  // apart: no race
    rank.wait("b", "a");
    rank.write("b", x.view().part(49, {1}));
    rank.wait("a", "b");
  };
  EXPECT_NO_THROW(play_without(parts, -1));

  const Error error = thrown([&] { play_without(parts, 1); });

  EXPECT_NE(error.message().find(" 4 bytes "), std::string::npos)
      << error.message();
}

TEST(SimRace, IsNamedByItsOperationsStreamsRankBytesAndOwner) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 5);
  const Tensor x = rank.tensor("a", 400);
  rank.write("a", x);
  rank.write("b", x);

  const Error error = thrown([&] { machine.solve(); });

  EXPECT_EQ(error.message(),
            "rank 5: fill (operation 1 of stream b) writes 400 bytes at 256 of "
            "activations that fill (operation 2 of stream a) writes, in no "
            "order: one of these streams must wait for an event of the other");
}

TEST(SimRace, IsAnyUseOfMemoryThatWasGivenBack) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  Tensor x = rank.tensor("a", 400);
  const TensorView view = x;
  x = {};
  rank.write("a", view);

  const Error error = thrown([&] { machine.solve(); });

  EXPECT_NE(error.message().find("gives back before"), std::string::npos)
      << error.message();
}

TEST(SimRace, IsTwoStreamsInOneWorkspace) {
  const auto play = [](bool orderly) {
    SimMachine machine(byte_a_nanosecond());
    const auto backend = machine.make_backend(0, 1024);
    const auto a = backend->make_stream("a");
    const auto b = backend->make_stream("b");
    const Tensor workspace(backend->memory(), *a, Owner::kWorkspace,
                           DType::kF32, {256});
    const auto kernels = backend->make_kernels(workspace);
    const Tensor x(backend->memory(), *a, Owner::kData, DType::kF32, {8});
    const Tensor y(backend->memory(), *b, Owner::kData, DType::kF32, {8});
    kernels->fill(*a, x, 1.0F);
    if (orderly) b->wait(a->record());
    kernels->fill(*b, y, 1.0F);
    machine.solve();
  };
  EXPECT_NO_THROW(play(true));
  EXPECT_THROW(play(false), Error);
}

TEST(SimRace, IsNotWhatReadsTogether) {
  play_without(
      [](SimTestRank& rank) {
        const Tensor x = rank.tensor("a", 400);
        const Tensor y = rank.tensor("b", 400);
        const Tensor z = rank.tensor("c", 400);
        rank.write("a", x);
        const auto written = rank["a"].record();
        rank["b"].wait(written);
        rank["c"].wait(written);
        rank.copy("b", x, y);
        rank.copy("c", x, z);
        rank.wait("a", "b");
        rank.wait("a", "c");
      },
      -1);
}

TEST(SimRace, IsFoundInEitherOfTwoReaders) {
  for (const int skipped : {2, 3}) {
    const Program program = [](SimTestRank& rank) {
      const Tensor x = rank.tensor("a", 400);
      const Tensor y = rank.tensor("b", 400);
      const Tensor z = rank.tensor("c", 400);
      const auto given = rank["a"].record();
      rank["b"].wait(given);
      rank["c"].wait(given);
      rank.copy("b", x, y);
      rank.copy("c", x, z);
      rank.wait("a", "b");
      rank.wait("a", "c");
      rank.write("a", x);
    };
    EXPECT_THROW(play_without(program, skipped), Error) << skipped;
  }
}

// The arena makes the taker of memory wait for its giver: in a stack of
// resources as a rank has it, that wait is all that keeps them apart.
TEST(SimRace, IsKeptOutByTheArena) {
  const auto play = [](int skipped) {
    SimMachine machine(byte_a_nanosecond());
    SimTestRank rank(machine, 0);
    if (skipped >= 0) machine.skip_wait(0, skipped);
    Arena arena(rank.backend().memory(), 1024, rank["a"]);
    Ledger ledger(arena);
    const auto memory = machine.make_memory(0, ledger);
    {
      const Tensor x(*memory, rank["a"], Owner::kData, DType::kF32, {100});
      rank.write("a", x);
    }
    const Tensor y(*memory, rank["b"], Owner::kData, DType::kF32, {100});
    rank.write("b", y);
    machine.solve();
    return machine.waits(0).size();
  };
  EXPECT_EQ(play(-1), 1U);
  EXPECT_THROW(play(0), Error);
}

TEST(SimWaits, TellThoseThatGaveNoOrderAnew) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  rank.wait("b", "a");  // of a stream that did nothing but to record
  rank.wait("c", "b");
  const auto early = rank["a"].record();
  rank.wait("c", "a");
  rank["c"].wait(early);  // known already
  rank.wait("c", "c");    // itself
  machine.solve();

  const auto& waits = machine.waits(0);
  ASSERT_EQ(waits.size(), 5U);
  EXPECT_EQ(waits[0].waiter, "rank 0, stream b");
  EXPECT_EQ(waits[0].recorder, "rank 0, stream a");
  EXPECT_TRUE(waits[0].ordered);
  EXPECT_TRUE(waits[1].ordered);
  EXPECT_TRUE(waits[2].ordered);
  EXPECT_FALSE(waits[3].ordered);
  EXPECT_FALSE(waits[4].ordered);
}

}  // namespace
}  // namespace cairn
