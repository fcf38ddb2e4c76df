#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "runtime/arena.h"
#include "runtime/error.h"
#include "runtime/ledger.h"
#include "runtime/limited_memory.h"
#include "runtime/random.h"
#include "runtime/sim/sim_memory.h"
#include "runtime/sim/sim_stream.h"

namespace cairn {
namespace {

constexpr Owner kOwner = Owner::kData;

TEST(Arena, NeverOverlapsAndEndsAsOneRun) {
  SimStream stream;
  SimMemory upstream;
  Arena arena(upstream, 1 << 20, stream);
  std::mt19937 random(7);
  struct Piece {
    std::uintptr_t begin;
    std::size_t bytes;
  };
  std::vector<Piece> live;
  const auto free_at = [&](std::size_t k) {
    arena.deallocate(reinterpret_cast<void*>(live[k].begin), live[k].bytes,
                     kOwner, stream);
    live.erase(live.begin() + static_cast<std::ptrdiff_t>(k));
  };

  for (int step = 0; step < 3000; ++step) {
    const std::size_t bytes = 1 + random() % 9000;
    if (live.size() > 60 || (!live.empty() && random() % 2 == 0)) {
      free_at(random() % live.size());
      continue;
    }
    const auto begin =
        reinterpret_cast<std::uintptr_t>(arena.allocate(bytes, kOwner, stream));
    for (const Piece& other : live) {
      ASSERT_TRUE(begin + bytes <= other.begin ||
                  other.begin + other.bytes <= begin);
    }
    live.push_back({begin, bytes});
  }
  while (!live.empty()) free_at(0);

  EXPECT_EQ(arena.largest_free_run(), arena.size());
  EXPECT_THROW(arena.allocate((1 << 20) + 1, kOwner, stream), Error);
}

TEST(Ledger, KeepsThePeakAndRefusedBytesDoNotCount) {
  SimStream stream;
  SimMemory upstream;
  LimitedMemory limited(upstream, 1024);
  Ledger ledger(limited);

  { const Buffer buffer(ledger, 700, kOwner, stream); }

  EXPECT_THROW(ledger.allocate(1025, kOwner, stream), Error);
  EXPECT_EQ(ledger.total(), 0U);
  EXPECT_EQ(ledger.total_peak(), 768U);
  EXPECT_EQ(ledger.allocations(), 1U);
}

TEST(Philox, GivesTheKnownAnswers) {
  constexpr std::uint32_t kF = 0xffffffffU;
  EXPECT_EQ(philox(0, {0, 0, 0, 0}),
            (Random4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~std::uint64_t{0}, {kF, kF, kF, kF}),
            (Random4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

}  // namespace
}  // namespace cairn
