#include "runtime/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <numeric>
#include <utility>

#include "runtime/cpu/cpu_memory.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/failing_memory.h"
#include "runtime/ledger.h"
#include "runtime/limited_memory.h"
#include "runtime/sim/sim_memory.h"
#include "tests/support/idle_stream.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

class MemoryTest : public testing::Test {
 protected:
  IdleStream stream_;
  SimMemory upstream_;
};

using BufferTest = MemoryTest;
using LedgerTest = MemoryTest;
using LimitedMemoryTest = MemoryTest;
using FailingMemoryTest = MemoryTest;

TEST_F(BufferTest, GivesItsBytesBackOnce) {
  Ledger ledger(upstream_);
  {
    Buffer buffer(ledger, 300, Owner::kData, stream_);
    const Buffer taken = std::move(buffer);
    EXPECT_EQ(taken.bytes(), 300U);
    EXPECT_EQ(ledger.total(), 512U);
  }
  EXPECT_EQ(ledger.total(), 0U);
}

TEST_F(BufferTest, IsEmptyUntilItTakesBytes) {
  const Buffer buffer;
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(buffer.bytes(), 0U);
}

TEST_F(LedgerTest, CountsWhatComesAgainWhereItLay) {
  Ledger ledger(upstream_);
  std::byte* address = nullptr;
  {
    const Buffer before(ledger, 300, Owner::kParameters, stream_);
    address = before.data();
  }
  const Buffer again(ledger, 300, Owner::kParameters, stream_, address);

  EXPECT_EQ(ledger.bytes(Owner::kParameters), 512U);
  EXPECT_EQ(ledger.peak(Owner::kParameters), 512U);
  EXPECT_EQ(ledger.allocations(), 2U);
}

TEST_F(LedgerTest, CountsPaddedBytesByOwner) {
  Ledger ledger(upstream_);
  const Buffer parameters(ledger, 257, Owner::kParameters, stream_);
  const Buffer data(ledger, 1, Owner::kData, stream_);

  EXPECT_EQ(ledger.bytes(Owner::kParameters), 512U);
  EXPECT_EQ(ledger.bytes(Owner::kData), 256U);
  EXPECT_EQ(ledger.bytes(Owner::kOptimizer), 0U);
  EXPECT_EQ(ledger.total(), 768U);
  EXPECT_EQ(ledger.allocations(), 2U);
}

TEST_F(LedgerTest, KeepsAnOwnersPeakApartFromTheTotalPeak) {
  Ledger ledger(upstream_);
  { const Buffer early(ledger, 1024, Owner::kTransients, stream_); }
  const Buffer saved(ledger, 2048, Owner::kActivations, stream_);
  { const Buffer late(ledger, 512, Owner::kTransients, stream_); }

  EXPECT_EQ(ledger.peak(Owner::kTransients), 1024U);
  EXPECT_EQ(ledger.peak(Owner::kActivations), 2048U);
  EXPECT_EQ(ledger.total_peak(), 2560U);
}

TEST_F(LedgerTest, SplitsTheTotalPeakByOwnerSoThatItAddsUp) {
  Ledger ledger(upstream_);
  const Buffer parameters(ledger, 256, Owner::kParameters, stream_);
  {
    const Buffer saved(ledger, 1024, Owner::kActivations, stream_);
    const Buffer scratch(ledger, 512, Owner::kTransients, stream_);
  }
  const Buffer optimizer(ledger, 1280, Owner::kOptimizer, stream_);

  const BytesByOwner& parts = ledger.at_total_peak();
  EXPECT_EQ(ledger.total_peak(), 1792U);
  EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), std::size_t{0}),
            ledger.total_peak());
  EXPECT_EQ(parts[static_cast<std::size_t>(Owner::kParameters)], 256U);
  EXPECT_EQ(parts[static_cast<std::size_t>(Owner::kActivations)], 1024U);
  EXPECT_EQ(parts[static_cast<std::size_t>(Owner::kTransients)], 512U);
  EXPECT_EQ(parts[static_cast<std::size_t>(Owner::kOptimizer)], 0U);
}

TEST_F(LedgerTest, DoesNotCountWhatWasRefused) {
  LimitedMemory limited(upstream_, 1024);
  Ledger ledger(limited);

  EXPECT_THROW(ledger.allocate(1025, Owner::kData, stream_), Error);

  EXPECT_EQ(ledger.total(), 0U);
  EXPECT_EQ(ledger.total_peak(), 0U);
  EXPECT_EQ(ledger.allocations(), 0U);
}

TEST_F(LimitedMemoryTest, GivesItsWholeBudgetAndAgainWhenItIsFree) {
  LimitedMemory limited(upstream_, 1024);
  for (int k = 0; k < 3; ++k) {
    const Buffer buffer(limited, 1000, Owner::kData, stream_);
    EXPECT_EQ(limited.in_use(), 1024U);
  }
  EXPECT_EQ(limited.in_use(), 0U);
}

TEST_F(LimitedMemoryTest, SaysWhatWasAskedForAndWhatThereWas) {
  LimitedMemory limited(upstream_, 1024);
  const Buffer buffer(limited, 700, Owner::kData, stream_);

  const Error error =
      thrown([&] { limited.allocate(257, Owner::kGradients, stream_); });

  EXPECT_EQ(error.code(), Code::kOutOfMemory);
  EXPECT_EQ(error.message(),
            "allocating 257 bytes for gradients: 768 of a budget of 1024 bytes "
            "are in use");
  EXPECT_EQ(limited.in_use(), 768U);
}

TEST_F(LimitedMemoryTest, RefusesASizeThatCannotBePadded) {
  LimitedMemory limited(upstream_, 1024);
  const Error error =
      thrown([&] { limited.allocate(~std::size_t{0}, Owner::kData, stream_); });
  EXPECT_EQ(error.code(), Code::kOutOfMemory);
}

TEST_F(LimitedMemoryTest, DoesNotChargeForWhatItsUpstreamRefused) {
  FailingMemory failing(upstream_);
  LimitedMemory limited(failing, 1024);
  failing.fail_at(1);
  EXPECT_THROW(limited.allocate(256, Owner::kData, stream_), Error);
  EXPECT_EQ(limited.in_use(), 0U);
}

TEST_F(FailingMemoryTest, FailsTheNthAllocationOnce) {
  FailingMemory failing(upstream_);
  failing.fail_at(2);

  EXPECT_NO_THROW(failing.allocate(1, Owner::kData, stream_));
  const Error error =
      thrown([&] { failing.allocate(9, Owner::kOptimizer, stream_); });
  EXPECT_NO_THROW(failing.allocate(1, Owner::kData, stream_));

  EXPECT_EQ(error.code(), Code::kOutOfMemory);
  EXPECT_EQ(error.message(), "allocating 9 bytes for optimizer: told to fail");
}

TEST_F(FailingMemoryTest, TakesTheCommandBack) {
  FailingMemory failing(upstream_);
  failing.fail_at(1);
  failing.fail_at(0);
  EXPECT_NO_THROW(failing.allocate(1, Owner::kData, stream_));
}

TEST(CpuMemory, GivesAlignedBytesThatCanBeWritten) {
  CpuStream stream("s");
  CpuMemory memory;
  for (const std::size_t bytes : {0U, 1U, 257U, (2U << 20) + 1U}) {
    const Buffer buffer(memory, bytes, Owner::kData, stream);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0U);
    std::fill_n(buffer.data(), bytes, std::byte{1});
  }
}

TEST(CpuMemory, KeepsBytesUntilTheWorkBeforeHasRun) {
  std::latch gate(1);
  CpuStream stream("s");
  CpuMemory memory;
  int seen = 0;
  {
    const Buffer buffer(memory, sizeof(int), Owner::kData, stream);
    auto* value = reinterpret_cast<int*>(buffer.data());
    *value = 5;
    stream.enqueue([&seen, &gate, value] {
      gate.wait();
      seen = *value;
    });
  }
  gate.count_down();
  stream.synchronize();
  EXPECT_EQ(seen, 5);
}

TEST(CpuMemory, SaysWhatWasAskedForWhenThereIsNoRoom) {
  CpuStream stream("s");
  CpuMemory memory;
  const Error error = thrown(
      [&] { memory.allocate(~std::size_t{0}, Owner::kActivations, stream); });
  EXPECT_EQ(error.code(), Code::kOutOfMemory);
  EXPECT_EQ(error.message(),
            "allocating 18446744073709551615 bytes of host memory for "
            "activations: there is no room");
}

}  // namespace
}  // namespace cairn
