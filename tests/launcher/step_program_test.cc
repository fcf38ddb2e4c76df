#include "launcher/step_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout_cases.h"
#include "parallel/schedule.h"
#include "rank_threads.h"
#include "tests/support/declared_block.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::vector<ParameterSpec>> four_vectors() {
  return {{vector_of("a", 3)},
          {vector_of("b", 3)},
          {vector_of("c", 3)},
          {vector_of("d", 3)}};
}

EngineOptions pipeline_of(int ranks, const std::vector<int>& cuts = {}) {
  EngineOptions options;
  options.microbatches = 4;
  options.parallel.pipeline = ranks;
  options.parallel.cuts = cuts;
  return options;
}

TEST(PlanStages, CutsByCostOrAsItIsTold) {
  const Model model(declared(four_vectors()));

  EXPECT_THAT(plan_stages(model, pipeline_of(2)).blocks,
              ElementsAre(Range{0, 2}, Range{2, 4}));
  EXPECT_THAT(plan_stages(model, pipeline_of(2, {1, 3})).blocks,
              ElementsAre(Range{0, 1}, Range{1, 4}));
}

TEST(PlanStages, RefusesCutsThatAreNotOfThisModelAndMoreStagesThanBlocks) {
  const Model model(declared(four_vectors()));

  EXPECT_EQ(thrown([&] {
              plan_stages(model, pipeline_of(2, {1, 2}));
            }).code(),
            Code::kBadArgument);
  EXPECT_EQ(thrown([&] { plan_stages(model, pipeline_of(2, {4})); }).code(),
            Code::kBadArgument);
  EXPECT_THAT(thrown([&] { plan_stages(model, pipeline_of(5)); }).message(),
              AllOf(HasSubstr("4"), HasSubstr("5")));
}

TEST(PlanStages, KnowWhenBothEndsOnTwoRanksShareAParameter) {
  const auto shares = [](int pipeline, int chunks, bool tied) {
    const LayoutCase layout{pipeline, 1, "gpipe", chunks, 0, "keep", tied};
    return plan_stages(model_of(layout), options_of(layout)).shared;
  };
  EXPECT_TRUE(shares(2, 1, true));
  EXPECT_TRUE(shares(2, 2, true));
  EXPECT_FALSE(shares(2, 1, false));
  EXPECT_FALSE(shares(1, 3, true));
}

TEST(PlanStages, RefuseToShareBetweenOtherStagesThanTheFirstAndLast) {
  auto middle = four_vectors();
  middle[1].push_back(table_of("t", 9, 4));
  middle[2].push_back({"t", {9, 4}});
  auto not_last = four_vectors();
  not_last[0].push_back(table_of("t", 9, 4));
  not_last[2].push_back({"t", {9, 4}});
  const auto refusal = [](const auto& chain) {
    const Model model(declared(chain));
    return thrown([&] {
             plan_stages(model, pipeline_of(2, {2, 2}));
           })
        .message();
  };

  EXPECT_THAT(refusal(middle),
              HasSubstr("blocks 1 and 2 share t and would be on different "
                        "pipeline ranks"));
  EXPECT_THAT(refusal(not_last), HasSubstr("blocks 0 and 2 share t"));
  const Model model(declared(middle));
  EXPECT_FALSE(plan_stages(model, pipeline_of(2, {1, 3})).shared);
}

StepProgram program_of(const LayoutCase& layout, int microbatches = 4) {
  EngineOptions options = options_of(layout);
  options.microbatches = microbatches;
  return step_program(plan_stages(model_of(layout), options), options);
}

TEST(StepProgram, AsksForAsMuchRoomInChannelsAsTheScheduleNeeds) {
  EXPECT_EQ(program_of({2, 1, "1f1b", 1}, 8).channel_capacity, 1);
  EXPECT_EQ(program_of({2, 1, "interleaved", 2}, 8).channel_capacity, 1);
  EXPECT_GT(program_of({2, 1, "gpipe", 2}, 8).channel_capacity, 1);
}

std::vector<Verb> verbs_of(const Schedule& schedule) {
  std::vector<Verb> verbs;
  for (const Program& program : schedule.programs) {
    for (const Action& action : program) verbs.push_back(action.verb);
  }
  return verbs;
}

TEST(StepProgram, GathersOnlyWhatRanksKeepPartsOf) {
  EXPECT_THAT(verbs_of(program_of({2, 2, "1f1b", 1, 3}).schedule),
              Contains(Verb::kGather));
  for (const LayoutCase& layout :
       {LayoutCase{2, 2, "1f1b", 1, 2}, LayoutCase{2, 1, "1f1b", 1, 3}}) {
    EXPECT_THAT(verbs_of(program_of(layout).schedule),
                Each(::testing::Ne(Verb::kGather)));
  }
}

TEST(StepProgram, OfAnEvaluationRunsOneMicrobatchForward) {
  const LayoutCase layout{2, 1};
  const EngineOptions options = options_of(layout);
  const StagePlan plan = plan_stages(model_of(layout), options);

  EXPECT_EQ(to_text(forward_schedule(plan, options)),
            "rank 0: F0.0/0 F0.0/1 F0.0/2 so0.0\n"
            "rank 1: ri1.0 F1.0/0 F1.0/1 F1.0/2\n");
}

// A schedule that nobody named: the first two micro-batches together, the
// others one by one.
constexpr const char* kOwn =
    "# mine\n"
    "rank 1: F1.0 F1.1 B1.0 B1.1 F1.2 I1.2 W1.2 F1.3 B1.3\n"
    "rank 0: F0.0 F0.1 F0.2 B0.0 F0.3 B0.1 B0.2 B0.3\n";

Trained trained(const LayoutCase& layout, const std::string& schedule_text) {
  EngineOptions options = options_of(layout);
  options.parallel.schedule_text = schedule_text;
  return train_on_ranks(model_of(layout), layout.policy, options, 2);
}

TEST(OwnSchedule, GivesTheBitsOfOneThatHasAName) {
  for (const bool tied : {false, true}) {
    for (const int sharding : {0, 2, 3}) {
      const LayoutCase layout{2, 2, "1f1b", 1, sharding, "keep", tied};
      EXPECT_EQ(trained(layout, kOwn), trained(layout, "")) << to_text(layout);
    }
  }
}

std::string refusal_of(const std::string& schedule_text) {
  EngineOptions options = options_of({2, 1});
  options.parallel.schedule_text = schedule_text;
  const StagePlan plan = plan_stages(model_of({2, 1}), options);
  const Error error = thrown([&] { step_program(plan, options); });
  EXPECT_EQ(error.code(), Code::kBadArgument);
  return error.message();
}

std::string own_but(const std::string& from, const std::string& to) {
  std::string text = kOwn;
  return text.replace(text.find(from), from.size(), to);
}

// Places are those of the user's own text, from 0.
TEST(OwnSchedule, IsRefusedWithRankPlaceAndReasonWhenItIsWrong) {
  EXPECT_THAT(refusal_of(own_but("B0.1 B0.2", "B0.2 B0.1")),
              HasSubstr("rank 0, position 5 (B0.2)"));
  EXPECT_THAT(refusal_of(own_but("I1.2 W1.2", "W1.2 I1.2")),
              HasSubstr("rank 1, position 5 (W1.2)"));
  EXPECT_THAT(refusal_of(own_but("F0.3", "F0.3 F0.3")),
              HasSubstr("rank 0, position 5 (F0.3)"));
  EXPECT_THAT(refusal_of(own_but("F1.3 B1.3", "F1.3")),
              AllOf(HasSubstr("rank 1"), HasSubstr("1.3")));
  EXPECT_THAT(refusal_of(own_but("F0.3", "Q0.3")), HasSubstr("Q0.3"));
}

// Each rank waits for what the other does only after it.
TEST(OwnSchedule, IsRefusedWhenRanksWouldWaitForEachOther) {
  EXPECT_THAT(refusal_of("rank 0: F0.0 B0.0 F0.1 B0.1 F0.2 B0.2 F0.3 B0.3\n"
                         "rank 1: F1.0 F1.1 B1.0 B1.1 F1.2 B1.2 F1.3 B1.3\n"),
              HasSubstr("wait"));
}

}  // namespace
}  // namespace cairn
