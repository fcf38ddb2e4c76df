#include "parallel/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "parallel/passes.h"
#include "parallel/schedule.h"
#include "tests/parallel/composed.h"
#include "tests/support/test_seed.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::DoubleEq;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const Schedule& schedule, const CheckOptions& options) {
  const Error error = thrown([&] { check(schedule, options); });
  EXPECT_EQ(error.code(), Code::kBadArgument);
  return error.message();
}

std::string refusal(const char* text, const PipelineShape& shape,
                    const CheckOptions& options = {}) {
  return refusal(schedule_from_text(text, shape), options);
}

// ---- The forecast.

TEST(Check, ForecastsTimeIdlenessMemoryAndTraffic) {
  const PipelineShape shape{.ranks = 2, .microbatches = 3};
  const Forecast forecast = check(with_transfers(one_f_one_b(shape), 0),
                                  {.cost = {1, 2, 1}, .transfers = true});

  EXPECT_EQ(forecast.makespan, (3 + 1) * 4);
  EXPECT_THAT(forecast.bubble, Each(DoubleEq(0.25)));
  EXPECT_THAT(forecast.peak_held, ElementsAre(2, 1));
  EXPECT_THAT(forecast.edges,
              ElementsAre(EdgeTraffic{0, 1, 3}, EdgeTraffic{1, 0, 3}));
}

TEST(Check, ForecastsNothingHeldInAForwardOnlySchedule) {
  const PipelineShape shape{.ranks = 2, .chunks = 2, .microbatches = 2};
  const Forecast forecast = check(with_transfers(forward_only(shape), 0),
                                  {.forward_only = true, .transfers = true});

  EXPECT_EQ(forecast.makespan, 5);
  EXPECT_THAT(forecast.peak_held, ElementsAre(0, 0));
  EXPECT_THAT(forecast.edges,
              ElementsAre(EdgeTraffic{0, 1, 2}, EdgeTraffic{1, 2, 2},
                          EdgeTraffic{2, 3, 2}));
}

TEST(Check, SharesAStagesTimeAmongItsBlocks) {
  const PipelineShape shape{.ranks = 2, .microbatches = 5};
  const std::vector<int> blocks = {2, 4};
  const Schedule schedule = one_f_one_b(shape);

  const Forecast whole = check(schedule);
  const Forecast cut = check(with_blocks(schedule, blocks), {.blocks = blocks});

  EXPECT_EQ(cut.makespan, whole.makespan);
  EXPECT_EQ(cut.peak_held, whole.peak_held);
}

double cost_of(const Action& action, const StageCost& cost) {
  return (action.verb == Verb::kForward ? cost.forward : 0) +
         (gives_input_gradient(action.verb) ? cost.backward_input : 0) +
         (gives_weight_gradient(action.verb) ? cost.backward_weight : 0);
}

// The length of the longest path through what waits for what: times are put
// later until every action begins after the one before it on its rank and
// after the one whose result it takes.
double longest_path(const Schedule& schedule,
                    const std::vector<StageCost>& costs) {
  std::map<std::tuple<bool, int, int>, double> made;  // output or gradient
  double longest = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (const Program& program : schedule.programs) {
      double clock = 0;
      for (const Action& a : program) {
        const bool forward = a.verb == Verb::kForward;
        if (a.verb != Verb::kBackwardWeight) {
          clock = std::max(
              clock,
              made[{forward, a.stage + (forward ? -1 : 1), a.microbatch}]);
        }
        clock += cost_of(a, costs.at(static_cast<std::size_t>(a.stage)));
        if (a.verb == Verb::kBackwardWeight) continue;
        double& time = made[{forward, a.stage, a.microbatch}];
        changed = changed || time != clock;
        time = clock;
      }
      longest = std::max(longest, clock);
    }
  }
  return longest;
}

TEST(Check, ForecastsTheLongestPathWhereStagesDiffer) {
  std::mt19937_64 random(test_seed());
  for (int n = 0; n < 200; ++n) {
    const PipelineShape shape{1 + static_cast<int>(random() % 8),
                              1 + static_cast<int>(random() % 3),
                              1 + static_cast<int>(random() % 20)};
    CheckOptions options;
    for (int stage = 0; stage < shape.stages(); ++stage) {
      const auto any = [&] { return static_cast<double>(random() % 9); };
      options.stage_costs.push_back({any(), any(), any()});
    }
    for (const std::string& name : names_for(shape)) {
      const Schedule schedule = schedule_named(name, shape);

      EXPECT_EQ(check(schedule, options).makespan,
                longest_path(schedule, options.stage_costs))
          << name << ", " << shape.ranks << " ranks, " << shape.chunks
          << " chunks, " << shape.microbatches << " micro-batches";
    }
  }
}

TEST(Check, CountsAStageAsAPartOfWhatItsRankHolds) {
  const PipelineShape shape{.ranks = 1, .chunks = 2, .microbatches = 1};

  const Schedule schedule =
      schedule_from_text("rank 0: F0.0 F1.0 B1.0 B0.0", shape);

  EXPECT_THAT(check(schedule).peak_held, ElementsAre(1));
}

TEST(Check, HoldsAMicroBatchUntilItsWeightHalf) {
  const PipelineShape shape{.microbatches = 2};

  EXPECT_THAT(
      check(schedule_from_text("rank 0: F0.0 I0.0 F0.1 W0.0 I0.1 W0.1", shape))
          .peak_held,
      ElementsAre(2));
  EXPECT_THAT(
      check(schedule_from_text("rank 0: F0.0 I0.0 W0.0 F0.1 I0.1 W0.1", shape))
          .peak_held,
      ElementsAre(1));
}

TEST(Check, LetsASharedGradientBeWaitedFor) {
  const Schedule schedule = schedule_from_text(
      "rank 0: F0.0 F2.0 I2.0 I0.0 W0.0 rs0 W2.0\n"
      "rank 1: F1.0 F3.0 I3.0 I1.0 W3.0 ss3 W1.0\n",
      {.ranks = 2, .chunks = 2});

  const Forecast forecast =
      check(schedule,
            {.stage_costs = {{}, {}, {1, 1, 5}, {1, 1, 10}}, .shared = true});

  // Eight actions lie before I0.0's end; W3.0 runs from the seventh.
  EXPECT_EQ(forecast.makespan, 7 + 10 + 5);
}

TEST(Check, TakesAScheduleThatAUserWrote) {
  const PipelineShape shape{.ranks = 2, .microbatches = 2};
  const Schedule written = schedule_from_text(
      "rank 0: F0.0 F0.1 I0.0 I0.1 W0.0 W0.1  # both halves apart\n"
      "rank 1: F1.0 F1.1 B1.0 B1.1\n",
      shape);

  EXPECT_EQ(check(written).makespan, 2 + 1 + 2 + 2 + 1 + 2);
}

// ---- What one rank does wrong by itself.

TEST(Check, NamesRankPositionActionAndReason) {
  EXPECT_EQ(refusal("rank 0: F0.0 B0.0\nrank 1: B1.0 F1.0\n", {.ranks = 2}),
            "rank 1, position 0 (B1.0) comes before F1.0");
  EXPECT_EQ(refusal("rank 0: F0.0 F0.0 B0.0\n", {}),
            "rank 0, position 1 (F0.0) runs twice");
  EXPECT_EQ(refusal("rank 0: F0.0\n", {}),
            "rank 0, at its end: B0.0 is missing");
}

TEST(Check, RefusesMicroBatchesInAnotherOrder) {
  const PipelineShape shape{.microbatches = 2};

  EXPECT_EQ(refusal("rank 0: F0.0 F0.1 B0.1 B0.0\n", shape),
            "rank 0, position 2 (B0.1) comes before B0.0");
  EXPECT_EQ(refusal("rank 0: F0.1 F0.0 B0.0 B0.1\n", shape),
            "rank 0, position 0 (F0.1) comes before F0.0");
  EXPECT_EQ(refusal("rank 0: F0.0 F0.1 I0.0 I0.1 W0.1 W0.0\n", shape),
            "rank 0, position 4 (W0.1) comes before W0.0");
}

TEST(Check, RefusesActionsOnWhatIsNotTheRanks) {
  EXPECT_THAT(refusal("rank 0: F1.0\nrank 1:\n", {.ranks = 2}),
              HasSubstr("(F1.0) is on a stage of another rank"));
  EXPECT_THAT(refusal("rank 0: F0.1\n", {}),
              HasSubstr("is on a micro-batch that is not among the 1"));
  EXPECT_THAT(refusal("rank 0: F0.0/0\n", {}),
              HasSubstr("(F0.0/0) is not on the whole stage"));
  EXPECT_THAT(refusal("rank 0: F0.0/2\n", {}, {.blocks = {2}}),
              HasSubstr("is not on one of the stage's 2 blocks"));
  EXPECT_THAT(refusal("rank 0: F0.0\n", {}, {.blocks = {2}}),
              HasSubstr("is not on one of the stage's 2 blocks"));
}

TEST(Check, RefusesWhatTheScheduleIsNotFor) {
  const PipelineShape two{.ranks = 2};
  const Schedule transfers = with_transfers(gpipe(two), 0);
  const Schedule reductions = with_reductions(gpipe(two), 1);
  const Schedule shared = with_shared(gpipe(two));
  const Schedule gathers = with_gathers(with_blocks(gpipe(two), {1, 1}), 0);

  EXPECT_THAT(refusal(transfers, {}), HasSubstr("transfers were not asked"));
  EXPECT_THAT(refusal(reductions, {}), HasSubstr("reductions were not asked"));
  EXPECT_THAT(refusal(shared, {}), HasSubstr("no gradient is shared"));
  EXPECT_THAT(refusal(gathers, {.blocks = {1, 1}}),
              HasSubstr("gathers were not asked for"));
  EXPECT_THAT(refusal(gpipe(two), {.forward_only = true}),
              HasSubstr("(B0.0) is not expected: it is forward only"));
}

TEST(Check, RefusesAScheduleThatLacksWhatItIsFor) {
  const PipelineShape two{.ranks = 2};
  const Schedule raw = gpipe(two);

  EXPECT_THAT(refusal(raw, {.transfers = true}),
              HasSubstr("(B0.0) comes before rg0.0"));
  EXPECT_THAT(refusal(raw, {.reductions = 1}), HasSubstr("R0.0 is missing"));
  EXPECT_THAT(refusal(raw, {.shared = true}), HasSubstr("rs0 is missing"));
  EXPECT_THAT(
      refusal(with_blocks(raw, {1, 1}), {.blocks = {1, 1}, .gathers = true}),
      HasSubstr("(F0.0/0) uses parameters that are not gathered"));
  EXPECT_THAT(refusal(with_reductions(gpipe({.microbatches = 4}), 1),
                      {.reductions = 2}),
              HasSubstr("(B0.2) comes before R0.1"));
  EXPECT_THAT(refusal(with_reductions(gpipe({.microbatches = 4}), 4),
                      {.reductions = 2}),
              HasSubstr("(R0.0) reduces where no group of 2 micro-batches"));
}

TEST(Check, RefusesBlocksOutOfOrder) {
  const CheckOptions options{.blocks = {2}};

  EXPECT_EQ(refusal("rank 0: F0.0/1 F0.0/0 B0.0/1 B0.0/0\n", {}, options),
            "rank 0, position 0 (F0.0/1) comes before F0.0/0");
  EXPECT_EQ(refusal("rank 0: F0.0/0 F0.0/1 B0.0/0 B0.0/1\n", {}, options),
            "rank 0, position 2 (B0.0/0) comes before B0.0/1");
  EXPECT_EQ(refusal("rank 0: F0.0/0 B0.0/1 F0.0/1 B0.0/0\n", {}, options),
            "rank 0, position 1 (B0.0/1) comes before F0.0/1");
}

TEST(Check, RefusesGathersAndDropsThatDoNotPair) {
  const CheckOptions options{.blocks = {1}, .gathers = true};

  EXPECT_THAT(refusal("rank 0: G0/0 F0.0/0 G0/0 B0.0/0 D0/0", {}, options),
              HasSubstr("position 2 (G0/0) gathers what is whole already"));
  EXPECT_THAT(refusal("rank 0: G0/0 F0.0/0 B0.0/0 D0/0 D0/0", {}, options),
              HasSubstr("position 4 (D0/0) drops what is not gathered"));
  EXPECT_THAT(refusal("rank 0: G0/0 F0.0/0 D0/0 B0.0/0", {}, options),
              HasSubstr("(B0.0/0) uses parameters that are not gathered"));
  EXPECT_THAT(refusal("rank 0: G0/0 F0.0/0 B0.0/0", {}, options),
              HasSubstr("at its end: block 0 of stage 0 is still gathered"));
}

// ---- What ranks do wrong together.

TEST(Check, RefusesACircleOfWaitingWithAllWhoWaitInIt) {
  EXPECT_EQ(refusal("rank 0: F0.0 F2.0 B2.0 B0.0\n"
                    "rank 1: F3.0 F1.0 B3.0 B1.0\n",
                    {.ranks = 2, .chunks = 2}),
            "waiting in a circle: rank 0, position 1 (F2.0) waits for rank 1 "
            "to send; rank 1, position 0 (F3.0) waits for rank 0 to send");
}

TEST(Check, RefusesACircleThroughChannelsThatAreFull) {
  const PipelineShape shape{.ranks = 2, .chunks = 2, .microbatches = 8};
  const Schedule schedule = with_transfers(gpipe(shape), 0);

  EXPECT_EQ(refusal(schedule, {.transfers = true, .channel_capacity = 3}),
            "waiting in a circle: rank 0, position 15 (so0.7) waits for rank 1 "
            "to receive, since the channel is full (3); rank 1, position 11 "
            "(so1.3) waits for rank 0 to receive, since the channel is full "
            "(3)");
  EXPECT_NO_THROW(check(schedule, {.transfers = true, .channel_capacity = 8}));
}

TEST(Check, RefusesOptionsThatDoNotFitTheSchedule) {
  const Schedule schedule = gpipe({.ranks = 2, .microbatches = 4});
  Schedule short_one = schedule;
  short_one.programs.pop_back();
  Schedule empty_shape = schedule;
  empty_shape.shape.microbatches = 0;

  EXPECT_THAT(refusal(short_one, {}), HasSubstr("1 ranks' programs, not 2"));
  EXPECT_THAT(refusal(empty_shape, {}), HasSubstr("at least one rank"));
  EXPECT_THAT(refusal(schedule, {.stage_costs = {{}}}),
              HasSubstr("1 stages' costs, not 2"));
  EXPECT_THAT(refusal(schedule, {.blocks = {1}}),
              HasSubstr("1 stages' numbers of blocks, not 2"));
  EXPECT_THAT(refusal(schedule, {.blocks = {1, 0}}),
              HasSubstr("at least 1 block"));
  EXPECT_THAT(refusal(schedule, {.cost = {1, -1, 1}}), HasSubstr("finite"));
  EXPECT_THAT(refusal(schedule, {.reductions = 3}),
              HasSubstr("4 micro-batches do not divide into 3"));
  EXPECT_THAT(refusal(schedule, {.channel_capacity = 0}),
              HasSubstr("at least one parcel"));
}

}  // namespace
}  // namespace cairn
