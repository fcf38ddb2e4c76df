#include "runtime/arena.h"

#include <gtest/gtest.h>

#include <latch>
#include <random>
#include <vector>

#include "runtime/cpu/cpu_memory.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/ledger.h"
#include "runtime/sim/sim_memory.h"
#include "tests/support/idle_stream.h"
#include "tests/support/test_seed.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

constexpr std::size_t kPage = kMemoryAlignment;
constexpr std::size_t kEndless = std::size_t{1} << 50;

// An arena of pretend memory, spoken to in offsets.
class SimArena {
 public:
  explicit SimArena(std::size_t size) : arena_(upstream_, size, stream_) {}

  std::size_t take(std::size_t bytes) {
    void* address = arena_.allocate(bytes, Owner::kData, stream_);
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    if (first_ == 0) first_ = place;  // an arena's first bytes are its lowest
    return place - first_;
  }
  std::size_t take_at(std::size_t offset, std::size_t bytes) {
    void* address = arena_.allocate_at(reinterpret_cast<void*>(first_ + offset),
                                       bytes, Owner::kData, stream_);
    return reinterpret_cast<std::uintptr_t>(address) - first_;
  }
  void give(std::size_t offset, std::size_t bytes) {
    arena_.deallocate(reinterpret_cast<void*>(first_ + offset), bytes,
                      Owner::kData, stream_);
  }
  const Arena& arena() const { return arena_; }

 private:
  IdleStream stream_;
  SimMemory upstream_;
  Arena arena_;
  std::uintptr_t first_ = 0;
};

struct Piece {
  std::size_t offset;
  std::size_t bytes;
};

// What an owner does at one step: takes bytes, or, where that is 0, gives the
// piece with this rank among the living back.
struct Call {
  std::size_t bytes;
  std::size_t rank;
};

std::vector<Call> random_calls(std::uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  std::vector<Call> calls;
  std::size_t live = 0;
  for (int k = 0; k < count; ++k) {
    const bool gives = live > 60 || (live > 0 && random() % 2 == 0);
    if (gives) {
      calls.push_back({0, random() % live--});
    } else {
      calls.push_back({1 + random() % 9000, 0});
      ++live;
    }
  }
  return calls;
}

// The offsets that the calls were given; `live` is what they leave behind.
std::vector<std::size_t> play(const std::vector<Call>& calls, SimArena& arena,
                              std::vector<Piece>& live) {
  std::vector<std::size_t> offsets;
  for (const Call& call : calls) {
    if (call.bytes > 0) {
      offsets.push_back(arena.take(call.bytes));
      live.push_back({offsets.back(), call.bytes});
    } else {
      const Piece piece = live[call.rank];
      arena.give(piece.offset, piece.bytes);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(call.rank));
    }
  }
  return offsets;
}

TEST(Arena, PlacesAlikeInAnEndlessArenaAndInOneThatJustFits) {
  const auto calls = random_calls(test_seed(), 4000);
  std::vector<Piece> live;
  SimArena endless(kEndless);
  const auto rehearsed = play(calls, endless, live);
  const std::size_t high_water = endless.arena().high_water();

  live.clear();
  SimArena exact(high_water);
  EXPECT_EQ(play(calls, exact, live), rehearsed);
  EXPECT_EQ(exact.arena().high_water(), high_water);

  live.clear();
  SimArena small(high_water - kPage);
  const Error error = thrown([&] { play(calls, small, live); });
  EXPECT_EQ(error.code(), Code::kOutOfMemory);
}

TEST(Arena, NeverOverlapsWhatIsLive) {
  SimArena arena(kEndless);
  std::vector<Piece> live;
  for (const Call& call : random_calls(test_seed(), 3000)) {
    play({call}, arena, live);
    if (call.bytes == 0) continue;
    const Piece& last = live.back();
    for (std::size_t k = 0; k + 1 < live.size(); ++k) {
      ASSERT_TRUE(last.offset + last.bytes <= live[k].offset ||
                  live[k].offset + live[k].bytes <= last.offset);
    }
  }
}

TEST(Arena, GivesBytesAgainWhereTheyLay) {
  SimArena arena(kEndless);
  std::vector<Piece> live;
  play(random_calls(test_seed(), 1000), arena, live);
  live.push_back({arena.take(kPage), kPage});
  // More of them each time, so that holes of all sizes are cut.
  for (std::size_t k = live.size(); k-- > 0;) {
    for (std::size_t i = k; i < live.size(); ++i) {
      arena.give(live[i].offset, live[i].bytes);
    }
    for (std::size_t i = k; i < live.size(); ++i) {
      ASSERT_EQ(arena.take_at(live[i].offset, live[i].bytes), live[i].offset);
    }
  }
  for (const Piece& piece : live) arena.give(piece.offset, piece.bytes);
  EXPECT_EQ(arena.arena().largest_free_run(), arena.arena().size());
}

TEST(Arena, GivesOtherBytesWherePartOfThemIsTaken) {
  SimArena arena(kEndless);
  const std::size_t first = arena.take(3 * kPage);
  const std::size_t second = arena.take(kPage);
  arena.give(first, 3 * kPage);
  ASSERT_EQ(arena.take(kPage), first);

  const std::size_t again = arena.take_at(first, 3 * kPage);

  EXPECT_GE(again, second + kPage);
  EXPECT_EQ(arena.take_at(first + kPage, 2 * kPage), first + kPage);
}

TEST(Arena, RepeatsForEverWhatEndsAsItBeganWithoutRaisingTheMark) {
  SimArena arena(kEndless);
  const std::size_t first = arena.take(3 * kPage);
  const std::size_t second = arena.take(5 * kPage);
  const auto round = [&] {
    arena.give(first, 3 * kPage);
    const std::size_t large = arena.take(4 * kPage);
    arena.give(second, 5 * kPage);
    const std::size_t small = arena.take(2 * kPage);
    EXPECT_EQ(arena.take_at(second, 5 * kPage), second);
    arena.give(small, 2 * kPage);
    EXPECT_EQ(arena.take_at(first, 3 * kPage), first);
    arena.give(large, 4 * kPage);
    return std::pair(large, small);
  };
  round();
  const std::size_t mark = arena.arena().high_water();
  const auto second_round = round();
  ASSERT_EQ(arena.arena().high_water(), mark);

  for (int more = 0; more < 3; ++more) EXPECT_EQ(round(), second_round);
}

TEST(Arena, IsOneRunAgainWhenAllIsGivenBack) {
  SimArena arena(kEndless);
  std::vector<Piece> live;
  play(random_calls(test_seed(), 1000), arena, live);
  for (const Piece& piece : live) arena.give(piece.offset, piece.bytes);

  EXPECT_EQ(arena.arena().free_bytes(), arena.arena().size());
  EXPECT_EQ(arena.arena().largest_free_run(), arena.arena().size());
}

TEST(Arena, TakesTheSmallestHoleThatFits) {
  SimArena arena(kEndless);
  const std::size_t large = arena.take(4 * kPage);
  arena.take(kPage);
  const std::size_t small = arena.take(2 * kPage);
  arena.take(kPage);
  arena.give(large, 4 * kPage);
  arena.give(small, 2 * kPage);

  EXPECT_EQ(arena.take(2 * kPage), small);
  EXPECT_EQ(arena.take(2 * kPage), large);
}

TEST(Arena, TakesTheLowestOfEqualHoles) {
  SimArena arena(kEndless);
  const std::size_t low = arena.take(2 * kPage);
  arena.take(kPage);
  const std::size_t high = arena.take(2 * kPage);
  arena.take(kPage);
  arena.give(high, 2 * kPage);
  arena.give(low, 2 * kPage);

  EXPECT_EQ(arena.take(2 * kPage), low);
}

TEST(Arena, FillsALargeHoleBeforeItRaisesTheMark) {
  SimArena arena(10 * kPage);
  const std::size_t hole = arena.take(8 * kPage);
  arena.take(kPage);
  arena.give(hole, 8 * kPage);

  EXPECT_EQ(arena.take(kPage), hole);  // though the tail is the closer fit
  EXPECT_EQ(arena.arena().high_water(), 9 * kPage);
}

TEST(Arena, RaisesTheMarkFromTheHoleThatTouchesIt) {
  SimArena arena(kEndless);
  arena.take(kPage);
  const std::size_t last = arena.take(2 * kPage);
  arena.give(last, 2 * kPage);

  EXPECT_EQ(arena.take(3 * kPage), last);
  EXPECT_EQ(arena.arena().high_water(), 4 * kPage);
}

TEST(Arena, SaysHowMuchIsFreeAndTheLargestRunWhenItRefuses) {
  SimArena arena(8 * kPage);
  const std::size_t hole = arena.take(kPage);
  arena.take(kPage);
  const std::size_t last = arena.take(2 * kPage);
  arena.give(hole, kPage);
  arena.give(last, 2 * kPage);

  const Error error = thrown([&] { arena.take(6 * kPage + 1); });

  EXPECT_EQ(error.code(), Code::kOutOfMemory);
  EXPECT_EQ(error.message(),
            "allocating 1537 bytes for data: the largest free run is 1536 of "
            "1792 bytes free in an arena of 2048");
  EXPECT_EQ(arena.take(6 * kPage), last);
}

TEST(Arena, RefusesASizeThatCannotBePadded) {
  SimArena arena(kEndless);
  const Error error = thrown([&] { arena.take(~std::size_t{0}); });
  EXPECT_EQ(error.code(), Code::kOutOfMemory);
}

TEST(Arena, GivesEmptyAllocationsAddressesOfTheirOwn) {
  SimArena arena(kEndless);
  const std::size_t first = arena.take(0);
  EXPECT_NE(arena.take(0), first);
}

TEST(Arena, TakesItsBytesOfItsUpstreamOnceAndGivesThemBack) {
  IdleStream stream;
  SimMemory memory;
  Ledger upstream(memory);
  {
    Arena arena(upstream, 1000, stream);
    EXPECT_EQ(arena.size(), 1024U);
    const Buffer one(arena, 1, Owner::kData, stream);
    const Buffer two(arena, 1, Owner::kData, stream);
    EXPECT_EQ(upstream.total(), 1024U);
  }
  EXPECT_EQ(upstream.allocations(), 1U);
  EXPECT_EQ(upstream.total(), 0U);
}

class TwoStreams : public testing::Test {
 protected:
  // Takes `bytes` on `giver_`, where they are written once the gate is open,
  // and gives them back.
  int* write_and_give(std::size_t bytes) {
    const Buffer buffer(arena_, bytes, Owner::kData, giver_);
    auto* value = reinterpret_cast<int*>(buffer.data());
    giver_.enqueue([this, value] {
      gate_.wait();
      *value = 7;
    });
    return value;
  }

  std::latch gate_{1};
  CpuMemory memory_;
  CpuStream giver_{"giver"};
  CpuStream taker_{"taker"};
  Arena arena_{memory_, 4 * kPage, giver_};
};

TEST_F(TwoStreams, TheTakerOfBytesWaitsForTheStreamThatGaveThem) {
  const int* written = write_and_give(kPage);
  int seen = 0;

  const Buffer taken(arena_, kPage, Owner::kData, taker_);
  const auto* value = reinterpret_cast<const int*>(taken.data());
  taker_.enqueue([&seen, value] { seen = *value; });
  const auto mark = taker_.record();
  const bool early = mark->reached();
  gate_.count_down();
  mark->synchronize();

  EXPECT_EQ(value, written);
  EXPECT_FALSE(early);
  EXPECT_EQ(seen, 7);
}

TEST_F(TwoStreams, TheTakerOfAHoleGrownPastTheMarkWaitsToo) {
  const Buffer low(arena_, kPage, Owner::kData, taker_);
  const int* written = write_and_give(kPage);  // touches the mark
  int seen = 0;

  const Buffer taken(arena_, 3 * kPage, Owner::kData, taker_);
  const auto* value = reinterpret_cast<const int*>(taken.data());
  taker_.enqueue([&seen, value] { seen = *value; });
  gate_.count_down();
  taker_.synchronize();

  EXPECT_EQ(value, written);
  EXPECT_EQ(seen, 7);
}

TEST_F(TwoStreams, TheTakerOfUntouchedBytesDoesNotWait) {
  write_and_give(kPage);

  const Buffer reused(arena_, kPage, Owner::kData, giver_);
  const Buffer fresh(arena_, kPage, Owner::kData, taker_);
  taker_.synchronize();  // would never return if it waited for the giver
  gate_.count_down();

  EXPECT_EQ(fresh.data(), reused.data() + kPage);
}

}  // namespace
}  // namespace cairn
