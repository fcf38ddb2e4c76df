#include "runtime/cpu/team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace cairn {
namespace {

TEST(Team, TakesEachPieceOnceInEveryRound) {
  Team team(3);
  std::vector<int> taken(50);

  for (int round = 0; round < 200; ++round) {
    team.for_each(50, [&](std::int64_t piece, int) { ++taken[piece]; });
  }

  EXPECT_EQ(taken, std::vector<int>(50, 200));
}

TEST(Team, GivesAMemberOnePieceAtATime) {
  Team team(4);
  std::vector<std::atomic<int>> inside(4);
  std::atomic<bool> alone = true;
  std::atomic<bool> known = true;

  team.for_each(2000, [&](std::int64_t, int member) {
    if (member < 0 || member >= 4) {
      known = false;
      return;
    }
    if (inside[member].fetch_add(1) != 0) alone = false;
    inside[member].fetch_sub(1);
  });

  EXPECT_TRUE(known);
  EXPECT_TRUE(alone);
}

TEST(Team, LetsTheCallerComputeInOrderWhenItIsAlone) {
  Team team(1);
  const auto caller = std::this_thread::get_id();
  std::vector<std::int64_t> pieces;
  bool here = true;

  team.for_each(5, [&](std::int64_t piece, int member) {
    here = here && member == 0 && std::this_thread::get_id() == caller;
    pieces.push_back(piece);
  });

  EXPECT_TRUE(here);
  EXPECT_EQ(pieces, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

TEST(Team, CallsNothingForNoPieces) {
  Team team(2);
  std::atomic<int> calls = 0;
  team.for_each(0, [&](std::int64_t, int) { ++calls; });
  EXPECT_EQ(calls, 0);
}

TEST(Team, RethrowsAFailureAndServesTheNextRound) {
  Team team(3);
  std::atomic<int> calls = 0;

  EXPECT_THROW(team.for_each(9,
                             [](std::int64_t piece, int) {
                               if (piece == 4) throw std::range_error("4");
                             }),
               std::range_error);
  team.for_each(9, [&](std::int64_t, int) { ++calls; });

  EXPECT_EQ(calls, 9);
}

TEST(Team, RethrowsWhenEveryPieceFails) {
  Team team(3);
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(team.for_each(9, [](std::int64_t, int) { throw 1; }), int);
  }
}

TEST(Team, CountsTheCallerAndTakesZeroForEveryCore) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  EXPECT_EQ(team_size(0), std::max(1, cores));
  EXPECT_EQ(team_size(3), 3);
  EXPECT_EQ(Team(3).threads(), 3);
}

}  // namespace
}  // namespace cairn
