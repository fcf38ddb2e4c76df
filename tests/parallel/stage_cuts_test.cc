#include "parallel/stage_cuts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "tests/support/test_seed.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<double> stage_costs(const std::vector<double>& costs,
                                const std::vector<int>& cut) {
  std::vector<double> sums;
  std::size_t next = 0;
  for (const int count : cut) {
    double sum = 0;
    for (int block = 0; block < count; ++block) sum += costs.at(next++);
    sums.push_back(sum);
  }
  EXPECT_EQ(next, costs.size());
  return sums;
}

double costliest(const std::vector<double>& costs,
                 const std::vector<int>& cut) {
  const std::vector<double> sums = stage_costs(costs, cut);
  return *std::max_element(sums.begin(), sums.end());
}

// Every cut of the blocks from `begin` on into `stages`, tried.
double least_by_trial(const std::vector<double>& costs, std::size_t begin,
                      int stages) {
  double least = std::numeric_limits<double>::infinity();
  double stage = 0;
  if (stages == 1) {
    for (std::size_t k = begin; k < costs.size(); ++k) stage += costs[k];
    return begin < costs.size() ? stage : least;
  }
  for (std::size_t end = begin + 1; end < costs.size(); ++end) {
    stage += costs[end - 1];
    least = std::min(least,
                     std::max(stage, least_by_trial(costs, end, stages - 1)));
  }
  return least;
}

TEST(CutStages, MakesTheCostliestStageAsCheapAsTrialOfAllCuts) {
  std::mt19937_64 random(test_seed());
  for (int n = 0; n < 500; ++n) {
    std::vector<double> costs(1 + random() % 10);
    for (double& cost : costs) cost = static_cast<double>(random() % 20);
    const int stages = 1 + static_cast<int>(random() % costs.size());

    const std::vector<int> cut = cut_stages(costs, stages);

    EXPECT_EQ(cut.size(), static_cast<std::size_t>(stages));
    EXPECT_GE(*std::min_element(cut.begin(), cut.end()), 1);
    EXPECT_EQ(costliest(costs, cut), least_by_trial(costs, 0, stages));
  }
}

TEST(CutStages, CountsAHeavyHeadAsWhatItCosts) {
  const std::vector<double> costs = {0.5, 1, 1, 1, 1, 1, 1, 3};

  EXPECT_THAT(cut_stages(costs, 3), ElementsAre(4, 3, 1));
}

TEST(CutStages, BreaksTiesByEvennessThenByFewerBlocksEarly) {
  EXPECT_THAT(cut_stages(std::vector<double>(9, 1.0), 4),
              ElementsAre(2, 2, 2, 3));
  EXPECT_THAT(cut_stages(std::vector<double>(8, 0.1), 3), ElementsAre(2, 3, 3));
  EXPECT_THAT(cut_stages(std::vector<double>(7, 1.37), 4),
              ElementsAre(1, 2, 2, 2));
  EXPECT_THAT(cut_stages(std::vector<double>(5, 0.0), 3), ElementsAre(1, 1, 3));
}

TEST(CutStages, GivesEachStageOneBlockWhereThereAreNoMore) {
  EXPECT_THAT(cut_stages(std::vector<double>{5, 0, 1}, 3),
              ElementsAre(1, 1, 1));
}

TEST(CutStages, RefusesFewerBlocksThanStagesWithBothNumbers) {
  const Error error =
      thrown([] { cut_stages(std::vector<double>(3, 1.0), 4); });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(),
            "3 blocks cannot be cut into 4 stages of at least one block; they "
            "make at most 3 stages");
  EXPECT_THROW(cut_stages(std::vector<double>(3, 1.0), 0), Error);
  EXPECT_THROW(cut_stages({}, 1), Error);
}

TEST(CutStages, RefusesACostThatIsNoTime) {
  const Error error = thrown([] { cut_stages(std::vector<double>{1, -2}, 1); });

  EXPECT_THAT(error.message(), HasSubstr("block 1 costs -2"));
  EXPECT_THROW(cut_stages(std::vector<double>{1, std::nan("")}, 1), Error);
}

TEST(RequireCut, TakesWhatAddsUp) {
  EXPECT_NO_THROW(require_cut(std::vector<int>{1, 3, 2}, 6, 3));
}

TEST(RequireCut, NamesAllNumbersOfWhatDoesNotAddUp) {
  const auto message_of = [](const std::vector<int>& cut) {
    const Error error = thrown([&] { require_cut(cut, 6, 3); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  };

  EXPECT_EQ(message_of({1, 3, 1}),
            "a cut of 6 blocks into 3 stages was given as 1 + 3 + 1 = 5 blocks "
            "in 3 stages; give each stage at least 1 block, 6 together; "
            "the nearest cut is 1,3,2");
  EXPECT_THAT(message_of({3, 3}), HasSubstr("3 + 3 = 6 blocks in 2 stages"));
  EXPECT_THAT(message_of({3, 3}),
              testing::EndsWith("the nearest cut is 3,2,1"));
  EXPECT_THAT(message_of({0, 9, 3}),
              testing::EndsWith("the nearest cut is 1,4,1"));
  EXPECT_THAT(message_of({0, 3, 3}), HasSubstr("0 + 3 + 3 = 6"));
  EXPECT_THAT(message_of({}), HasSubstr("nothing = 0 blocks in 0 stages"));
}

}  // namespace
}  // namespace cairn
