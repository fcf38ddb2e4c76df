#include "parallel/passes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "parallel/check.h"
#include "parallel/schedule.h"
#include "tests/parallel/composed.h"
#include "tests/support/test_seed.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

std::string message_of(const Error& error) {
  EXPECT_EQ(error.code(), Code::kBadArgument);
  return error.message();
}

// ---- Transfers.

TEST(WithTransfers, SendsAfterAndReceivesBeforeWhatNeedsIt) {
  const Schedule schedule =
      with_transfers(one_f_one_b({.ranks = 3, .microbatches = 2}), 0);

  EXPECT_EQ(to_text(schedule),
            "rank 0: F0.0 so0.0 F0.1 so0.1 rg0.0 B0.0 rg0.1 B0.1\n"
            "rank 1: ri1.0 F1.0 so1.0 ri1.1 F1.1 so1.1 rg1.0 B1.0 sg1.0 rg1.1 "
            "B1.1 sg1.1\n"
            "rank 2: ri2.0 F2.0 B2.0 sg2.0 ri2.1 F2.1 B2.1 sg2.1\n");
}

TEST(WithTransfers, ReceivesEarlierByActionsButNotBeforeTheForward) {
  const Schedule schedule =
      with_transfers(one_f_one_b({.ranks = 2, .microbatches = 4}), 2);

  EXPECT_EQ(to_text(schedule),
            "rank 0: F0.0 so0.0 rg0.0 F0.1 so0.1 rg0.1 B0.0 F0.2 so0.2 rg0.2 "
            "B0.1 F0.3 so0.3 rg0.3 B0.2 B0.3\n"
            "rank 1: ri1.0 ri1.1 F1.0 B1.0 sg1.0 ri1.2 F1.1 B1.1 sg1.1 ri1.3 "
            "F1.2 B1.2 sg1.2 F1.3 B1.3 sg1.3\n");
}

TEST(WithTransfers, SendsTheInputHalfOfASplitBackward) {
  const Schedule schedule =
      with_transfers(zero_bubble_h1({.ranks = 2, .microbatches = 2}), 0);

  EXPECT_EQ(to_text(schedule.programs[1]),
            "ri1.0 F1.0 I1.0 sg1.0 ri1.1 F1.1 I1.1 sg1.1 W1.0 W1.1");
}

TEST(WithTransfers, AddsNothingBetweenStagesOfOneRank) {
  const Schedule schedule = gpipe({.ranks = 1, .chunks = 3, .microbatches = 2});

  EXPECT_EQ(with_transfers(schedule, 1).programs, schedule.programs);
}

TEST(WithTransfers, RefusesWhatItCannotWorkOn) {
  const Schedule schedule = gpipe({.ranks = 2});

  EXPECT_THAT(message_of(thrown([&] {
                with_transfers(with_blocks(schedule, {1, 1}), 0);
              })),
              HasSubstr("of whole stages, not one with F0.0/0"));
  EXPECT_THROW(with_transfers(schedule, -1), Error);
}

// ---- Blocks.

TEST(WithBlocks, RunsForwardUpAndBackwardDown) {
  const Schedule whole =
      with_transfers(one_f_one_b({.ranks = 2, .microbatches = 1}), 0);

  EXPECT_EQ(to_text(with_blocks(whole, {3, 1})),
            "rank 0: F0.0/0 F0.0/1 F0.0/2 so0.0 rg0.0 B0.0/2 B0.0/1 B0.0/0\n"
            "rank 1: ri1.0 F1.0/0 B1.0/0 sg1.0\n");
}

TEST(WithBlocks, RunsBothHalvesOfABackwardDown) {
  const Schedule whole = zero_bubble_h1({.microbatches = 1});

  EXPECT_EQ(to_text(with_blocks(whole, {2}).programs[0]),
            "F0.0/0 F0.0/1 I0.0/1 I0.0/0 W0.0/1 W0.0/0");
}

TEST(WithBlocks, RefusesNumbersThatDoNotFitTheStages) {
  const Schedule schedule = gpipe({.ranks = 2});

  EXPECT_THROW(with_blocks(schedule, {1}), Error);
  EXPECT_THROW(with_blocks(schedule, {1, 0}), Error);
  EXPECT_THROW(with_blocks(with_blocks(schedule, {1, 1}), {1, 1}), Error);
}

// ---- Gathers.

TEST(WithGathers, GathersDirectlyBeforeEachUseWithNoDistance) {
  const Schedule schedule = with_blocks(gpipe({.microbatches = 2}), {2});

  // What is used twice in a row stays.
  EXPECT_EQ(to_text(with_gathers(schedule, 0).programs[0]),
            "G0/0 F0.0/0 D0/0 G0/1 F0.0/1 D0/1 G0/0 F0.1/0 D0/0 G0/1 F0.1/1 "
            "B0.0/1 D0/1 G0/0 B0.0/0 D0/0 G0/1 B0.1/1 D0/1 G0/0 B0.1/0 D0/0");
}

TEST(WithGathers, GathersTheNextBlockWhileOneComputes) {
  const Schedule schedule = with_blocks(one_f_one_b({}), {3});

  EXPECT_EQ(to_text(with_gathers(schedule, 1).programs[0]),
            "G0/0 G0/1 F0.0/0 D0/0 G0/2 F0.0/1 D0/1 F0.0/2 G0/1 B0.0/2 D0/2 "
            "G0/0 B0.0/1 D0/1 B0.0/0 D0/0");
}

TEST(WithGathers, LeavesAWeightHalfWithoutParameters) {
  const Schedule schedule = with_blocks(zero_bubble_h1({}), {1});

  EXPECT_EQ(to_text(with_gathers(schedule, 0).programs[0]),
            "G0/0 F0.0/0 I0.0/0 D0/0 W0.0/0");
}

TEST(WithGathers, RefusesWholeStages) {
  EXPECT_THAT(message_of(thrown([] { with_gathers(gpipe({}), 1); })),
              HasSubstr("cut into blocks, not one with F0.0"));
  EXPECT_THROW(with_gathers(with_blocks(gpipe({}), {1}), -1), Error);
}

// Follows which blocks of a program are whole.
struct Whole {
  std::set<std::pair<int, int>> blocks;
  std::size_t most = 0;

  void follow(const Action& action) {
    if (action.verb == Verb::kGather) {
      blocks.insert({action.stage, action.block});
    }
    if (action.verb == Verb::kDrop) blocks.erase({action.stage, action.block});
    most = std::max(most, blocks.size());
  }
};

TEST(WithGathers, KeepsAtMostOneBlockMoreThanItsDistanceWhole) {
  std::size_t reached = 0;
  for (const int ranks : {1, 2, 3, 5}) {
    for (const int chunks : {1, 2, 3}) {
      for (const int microbatches : {1, 2, 5, 9}) {
        for (const int ahead : {0, 1, 2, 3, 7}) {
          const PipelineShape shape{ranks, chunks, microbatches};
          const auto most = static_cast<std::size_t>(ahead) + 1;
          for (const std::string& name : names_for(shape)) {
            const Composed composed = compose(
                name, shape,
                {.gather_ahead = ahead, .blocks = uneven_blocks(shape)});
            for (const Program& program : composed.schedule.programs) {
              Whole whole;
              for (const Action& action : program) whole.follow(action);
              EXPECT_LE(whole.most, most);
              reached += whole.most == most ? 1 : 0;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(reached, 500U);  // the bound is not a loose one
}

TEST(WithGathers, NeverDropsABlockToGatherItAtOnce) {
  for (const int ahead : {0, 1, 2, 5}) {
    const PipelineShape shape{2, 2, 6};
    const Composed composed = compose(
        "interleaved", shape, {.gather_ahead = ahead, .blocks = {1, 2, 2, 1}});
    for (const Program& program : composed.schedule.programs) {
      Action last_drop;
      for (const Action& action : program) {
        if (computes(action.verb)) last_drop = {};
        if (action.verb == Verb::kDrop) last_drop = action;
        if (action.verb != Verb::kGather) continue;
        EXPECT_FALSE(last_drop.verb == Verb::kDrop &&
                     last_drop.stage == action.stage &&
                     last_drop.block == action.block)
            << to_text(program);
      }
    }
  }
}

TEST(WithGathers, KeepsAModelThatFitsItsDistanceWholeThroughout) {
  const Schedule schedule = with_blocks(one_f_one_b({.microbatches = 3}), {2});

  const Program program = with_gathers(schedule, 3).programs[0];

  EXPECT_EQ(
      std::count_if(program.begin(), program.end(),
                    [](const Action& a) { return a.verb == Verb::kGather; }),
      2);
}

// ---- Reductions.

TEST(WithReductions, FollowTheLastMicroBatchOfEachGroup) {
  const Schedule schedule = with_blocks(one_f_one_b({.microbatches = 4}), {2});

  EXPECT_EQ(to_text(with_reductions(schedule, 2).programs[0]),
            "F0.0/0 F0.0/1 B0.0/1 B0.0/0 F0.1/0 F0.1/1 B0.1/1 R0.1/1 B0.1/0 "
            "R0.1/0 F0.2/0 F0.2/1 B0.2/1 B0.2/0 F0.3/0 F0.3/1 B0.3/1 R0.3/1 "
            "B0.3/0 R0.3/0");
}

TEST(WithReductions, FollowTheWeightHalfOfASplitBackward) {
  const Schedule schedule = zero_bubble_h1({.ranks = 2, .microbatches = 2});

  EXPECT_EQ(to_text(with_reductions(schedule, 1).programs[1]),
            "F1.0 I1.0 F1.1 I1.1 W1.0 W1.1 R1.1");
}

TEST(WithReductions, RefuseUnequalGroupsWithTheNearestNumber) {
  const auto message = [](int microbatches, int groups) {
    const Schedule schedule = gpipe({.microbatches = microbatches});
    return message_of(thrown([&] { with_reductions(schedule, groups); }));
  };

  EXPECT_EQ(message(12, 5),
            "12 micro-batches cannot be reduced in 5 equal groups; the nearest "
            "number of groups is 4");
  EXPECT_THAT(message(12, 10), HasSubstr("of groups is 12"));
  EXPECT_THAT(message(12, 9), HasSubstr("of groups is 6"));  // or 12
  EXPECT_THAT(message(7, 100), HasSubstr("of groups is 7"));
  EXPECT_THAT(message(7, 0), HasSubstr("of groups is 1"));
}

// ---- Shared parameters.

TEST(WithShared, SendsFromTheHeadAndReceivesBeforeTheLastReduction) {
  Schedule schedule =
      with_blocks(one_f_one_b({.ranks = 2, .microbatches = 2}), {2, 2});
  schedule = with_shared(with_reductions(std::move(schedule), 2));

  EXPECT_EQ(to_text(schedule),
            "rank 0: F0.0/0 F0.0/1 F0.1/0 F0.1/1 B0.0/1 R0.0/1 B0.0/0 R0.0/0 "
            "B0.1/1 R0.1/1 B0.1/0 rs0 R0.1/0\n"
            "rank 1: F1.0/0 F1.0/1 B1.0/1 R1.0/1 B1.0/0 R1.0/0 F1.1/0 F1.1/1 "
            "B1.1/1 ss1 R1.1/1 B1.1/0 R1.1/0\n");
}

TEST(WithShared, ReceivesAtTheEndWhereNothingIsReduced) {
  EXPECT_EQ(to_text(with_shared(gpipe({.ranks = 2}))),
            "rank 0: F0.0 B0.0 rs0\n"
            "rank 1: F1.0 B1.0 ss1\n");
  EXPECT_EQ(to_text(with_shared(zero_bubble_h1({.ranks = 2}))),
            "rank 0: F0.0 I0.0 W0.0 rs0\n"
            "rank 1: F1.0 I1.0 W1.0 ss1\n");
}

TEST(WithShared, AddsNothingOnOneRankOrWithoutBackward) {
  const Schedule one = gpipe({.chunks = 2});
  const Schedule forward = forward_only({.ranks = 2});

  EXPECT_EQ(with_shared(one).programs, one.programs);
  EXPECT_EQ(with_shared(forward).programs, forward.programs);
}

// ---- All together.

TEST(Passes, ComposeInTheirOrder) {
  const Composed composed = compose(
      "zb-h1", {.ranks = 2, .microbatches = 2},
      {.receive_ahead = 1, .gather_ahead = 1, .groups = 1, .blocks = {2, 1}});

  EXPECT_EQ(to_text(composed.schedule),
            "rank 0: G0/0 G0/1 F0.0/0 F0.0/1 so0.0 rg0.0 F0.1/0 D0/0 F0.1/1 "
            "so0.1 G0/0 I0.0/1 D0/1 I0.0/0 D0/0 rg0.1 W0.0/1 G0/1 W0.0/0 G0/0 "
            "I0.1/1 D0/1 I0.1/0 D0/0 W0.1/1 R0.1/1 W0.1/0 rs0 R0.1/0\n"
            "rank 1: ri1.0 G1/0 F1.0/0 ri1.1 I1.0/0 sg1.0 F1.1/0 I1.1/0 D1/0 "
            "sg1.1 W1.0/0 W1.1/0 ss1 R1.1/0\n");
}

// A divisor of `number`, drawn.
int any_divisor(int number, std::mt19937_64& random) {
  int divisor = 0;
  do {
    divisor = 1 + static_cast<int>(random() % static_cast<unsigned>(number));
  } while (number % divisor != 0);
  return divisor;
}

TEST(Passes, MakeEveryScheduleSoundTogetherAtEveryShape) {
  std::mt19937_64 random(test_seed());
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (const int chunks : {1, 2, 3, 4}) {
      for (const int microbatches : {1, 2, 3, 5, 8, 12, 17, 33, 64}) {
        const PipelineShape shape{ranks, chunks, microbatches};
        const Composition composition{
            .receive_ahead = static_cast<int>(random() % 4),
            .gather_ahead = static_cast<int>(random() % 5),
            .groups = any_divisor(microbatches, random),
            .blocks = uneven_blocks(shape)};
        for (const std::string& name : names_for(shape)) {
          const Composed composed = compose(name, shape, composition);
          ASSERT_NO_THROW(check(composed.schedule, composed.options))
              << name << " of " << ranks << " ranks, " << chunks << " chunks, "
              << microbatches << " micro-batches";
        }
      }
    }
  }
}

TEST(Passes, AreSoundOneByOne) {
  for (const int ranks : {1, 2, 4, 7}) {
    for (const int chunks : {1, 2, 3}) {
      for (const int microbatches : {1, 3, 4, 8, 13}) {
        const PipelineShape shape{ranks, chunks, microbatches};
        const std::vector<int> blocks = uneven_blocks(shape);
        for (const std::string& name : names_for(shape)) {
          const Schedule raw = schedule_named(name, shape);
          const int capacity = capacity_for(name, shape);
          EXPECT_NO_THROW(
              check(with_transfers(raw, 0),
                    {.transfers = true, .channel_capacity = capacity}));
          EXPECT_NO_THROW(check(with_blocks(raw, blocks), {.blocks = blocks}));
          EXPECT_NO_THROW(check(with_reductions(raw, 1), {.reductions = 1}));
          EXPECT_NO_THROW(check(with_shared(raw), {.shared = true}));
          EXPECT_NO_THROW(check(with_gathers(with_blocks(raw, blocks), 2),
                                {.blocks = blocks, .gathers = true}));
        }
      }
    }
  }
}

TEST(WithTransfers, CostsNoTimeInAnySchedule) {
  for (const int ranks : {1, 2, 4, 7}) {
    for (const int chunks : {1, 2, 3}) {
      for (const int microbatches : {1, 3, 4, 8, 13}) {
        const PipelineShape shape{ranks, chunks, microbatches};
        for (const std::string& name : names_for(shape)) {
          const Schedule raw = schedule_named(name, shape);
          const double makespan =
              check(with_transfers(raw, 0),
                    {.transfers = true,
                     .channel_capacity = capacity_for(name, shape)})
                  .makespan;
          EXPECT_EQ(makespan, check(raw).makespan)
              << name << " of " << ranks << " ranks, " << chunks << " chunks, "
              << microbatches << " micro-batches";
        }
      }
    }
  }
}

// So that a channel may also be one for all stages of two ranks.
TEST(WithTransfers, ReceivesInTheOrderOfSendsBetweenAnyTwoRanks) {
  using Parcels = std::vector<std::pair<int, int>>;  // sender and micro-batch
  for (const char* name : {"gpipe", "interleaved"}) {
    for (const int ranks : {2, 3, 5}) {
      for (const int ahead : {0, 1, 3}) {
        const PipelineShape shape{ranks, 3, 7};
        const Schedule schedule =
            with_transfers(schedule_named(name, shape), ahead);
        std::map<std::tuple<int, int, bool>, Parcels> sent;
        std::map<std::tuple<int, int, bool>, Parcels> received;
        for (const Program& program : schedule.programs) {
          for (const Action& a : program) {
            if (computes(a.verb)) continue;
            const bool gradient = a.verb == Verb::kSendGradient ||
                                  a.verb == Verb::kReceiveGradient;
            const bool sends =
                a.verb == Verb::kSendOutput || a.verb == Verb::kSendGradient;
            const int step = gradient ? -1 : 1;
            const int from = sends ? a.stage : a.stage - step;
            (sends ? sent : received)[{shape.rank_of(from),
                                       shape.rank_of(from + step), gradient}]
                .push_back({from, a.microbatch});
          }
        }
        EXPECT_EQ(sent, received) << name << ", " << ranks << " ranks";
      }
    }
  }
}

}  // namespace
}  // namespace cairn
