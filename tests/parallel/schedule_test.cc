#include "parallel/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "parallel/check.h"
#include "tests/parallel/composed.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string described(const std::string& name, const PipelineShape& shape) {
  return name + " of " + std::to_string(shape.ranks) + " ranks, " +
         std::to_string(shape.chunks) + " chunks, " +
         std::to_string(shape.microbatches) + " micro-batches";
}

// Calls `work` with every schedule of every shape up to 16 ranks, 4 chunks and
// 64 micro-batches.
template <typename Work>
void at_every_shape(Work work) {
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (int chunks = 1; chunks <= 4; ++chunks) {
      for (int microbatches = 1; microbatches <= 64; ++microbatches) {
        const PipelineShape shape{ranks, chunks, microbatches};
        for (const std::string& name : names_for(shape)) work(name, shape);
      }
    }
  }
}

TEST(OneFOneB, AlternatesOnceThePipelineIsFull) {
  const Schedule schedule = one_f_one_b({.ranks = 3, .microbatches = 4});

  EXPECT_EQ(to_text(schedule),
            "rank 0: F0.0 F0.1 F0.2 B0.0 F0.3 B0.1 B0.2 B0.3\n"
            "rank 1: F1.0 F1.1 B1.0 F1.2 B1.1 F1.3 B1.2 B1.3\n"
            "rank 2: F2.0 B2.0 F2.1 B2.1 F2.2 B2.2 F2.3 B2.3\n");
}

TEST(OneFOneB, RunsForwardsFirstWhereMicroBatchesAreFewerThanRanks) {
  EXPECT_EQ(to_text(one_f_one_b({.ranks = 3, .microbatches = 2})),
            "rank 0: F0.0 F0.1 B0.0 B0.1\n"
            "rank 1: F1.0 F1.1 B1.0 B1.1\n"
            "rank 2: F2.0 B2.0 F2.1 B2.1\n");
}

TEST(GPipe, RunsAllForwardsFirst) {
  EXPECT_EQ(to_text(gpipe({.ranks = 2, .microbatches = 3})),
            "rank 0: F0.0 F0.1 F0.2 B0.0 B0.1 B0.2\n"
            "rank 1: F1.0 F1.1 F1.2 B1.0 B1.1 B1.2\n");
}

TEST(GPipe, RunsWholeChunksForwardInOrderAndBackInReverse) {
  EXPECT_EQ(to_text(gpipe({.ranks = 2, .chunks = 2, .microbatches = 2})),
            "rank 0: F0.0 F0.1 F2.0 F2.1 B2.0 B2.1 B0.0 B0.1\n"
            "rank 1: F1.0 F1.1 F3.0 F3.1 B3.0 B3.1 B1.0 B1.1\n");
}

TEST(Interleaved, ChangesTheChunkAfterAsManyMicroBatchesAsRanks) {
  EXPECT_EQ(to_text(interleaved({.ranks = 2, .chunks = 2, .microbatches = 4})),
            "rank 0: F0.0 F0.1 F2.0 F2.1 F0.2 B2.0 F0.3 B2.1 F2.2 B0.0 F2.3 "
            "B0.1 B2.2 B2.3 B0.2 B0.3\n"
            "rank 1: F1.0 F1.1 F3.0 B3.0 F3.1 B3.1 F1.2 B1.0 F1.3 B1.1 F3.2 "
            "B3.2 F3.3 B3.3 B1.2 B1.3\n");
}

TEST(Interleaved, EndsWithASmallerGroupWhereMicroBatchesAreNoMultiple) {
  EXPECT_EQ(to_text(interleaved({.ranks = 2, .chunks = 2, .microbatches = 3})),
            "rank 0: F0.0 F0.1 F2.0 F2.1 F0.2 B2.0 B2.1 F2.2 B0.0 B0.1 B2.2 "
            "B0.2\n"
            "rank 1: F1.0 F1.1 F3.0 B3.0 F3.1 B3.1 F1.2 B1.0 B1.1 F3.2 B3.2 "
            "B1.2\n");
}

TEST(Interleaved, OfOneChunkIsOneFOneB) {
  const PipelineShape shape{.ranks = 4, .microbatches = 9};

  EXPECT_EQ(interleaved(shape).programs, one_f_one_b(shape).programs);
}

TEST(ZeroBubbleH1, HoldsBackTheWeightHalfLongerOnLaterRanks) {
  EXPECT_EQ(to_text(zero_bubble_h1({.ranks = 3, .microbatches = 4})),
            "rank 0: F0.0 F0.1 F0.2 I0.0 W0.0 F0.3 I0.1 W0.1 I0.2 W0.2 I0.3 "
            "W0.3\n"
            "rank 1: F1.0 F1.1 I1.0 F1.2 I1.1 W1.0 F1.3 I1.2 W1.1 I1.3 W1.2 "
            "W1.3\n"
            "rank 2: F2.0 I2.0 F2.1 I2.1 F2.2 I2.2 W2.0 F2.3 I2.3 W2.1 W2.2 "
            "W2.3\n");
}

TEST(ForwardOnly, RunsEveryChunkOnEveryMicroBatch) {
  EXPECT_EQ(to_text(forward_only({.ranks = 2, .chunks = 2, .microbatches = 2})),
            "rank 0: F0.0 F0.1 F2.0 F2.1\n"
            "rank 1: F1.0 F1.1 F3.0 F3.1\n");
}

TEST(ScheduleNamed, FindsEverySchedule) {
  const PipelineShape shape{.ranks = 3, .microbatches = 5};

  EXPECT_THAT(schedule_names(),
              ElementsAre("gpipe", "1f1b", "interleaved", "zb-h1"));
  EXPECT_EQ(schedule_named("gpipe", shape).programs, gpipe(shape).programs);
  EXPECT_EQ(schedule_named("1f1b", shape).programs,
            one_f_one_b(shape).programs);
  EXPECT_EQ(schedule_named("interleaved", {2, 3, 4}).programs,
            interleaved({2, 3, 4}).programs);
  EXPECT_EQ(schedule_named("zb-h1", shape).programs,
            zero_bubble_h1(shape).programs);
}

TEST(ScheduleNamed, ListsTheNamesInPlaceOfAnUnknownOne) {
  const Error error = thrown([] { schedule_named("1F1B", {}); });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(),
            "there is no schedule \"1F1B\"; there are gpipe, 1f1b, "
            "interleaved, zb-h1");
}

TEST(Schedule, RefusesAShapeWithTheNearestOne) {
  const auto message_of = [](const auto& make, const PipelineShape& shape) {
    const Error error = thrown([&] { make(shape); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  };

  EXPECT_EQ(message_of(one_f_one_b, {4, 2, 8}),
            "1F1B does not fit 4 ranks, 2 chunks, 8 micro-batches; the nearest "
            "shape that it fits is 4 ranks, 1 chunk, 8 micro-batches");
  EXPECT_THAT(message_of(zero_bubble_h1, {4, 2, 8}),
              HasSubstr("is 4 ranks, 1 chunk, 8 micro-batches"));
  EXPECT_THAT(message_of(gpipe, {0, -1, 8}),
              HasSubstr("is 1 rank, 1 chunk, 8 micro-batches"));
  EXPECT_THAT(message_of(interleaved, {4, 2, 0}),
              HasSubstr("is 4 ranks, 2 chunks, 1 micro-batch"));
  EXPECT_THAT(message_of(forward_only, {4, 100000, 100000}),
              HasSubstr("is 4 ranks, 8191 chunks, 32767 micro-batches"));
}

TEST(Schedule, TakesEachStagesMicroBatchesInAscendingOrderAtEveryShape) {
  at_every_shape([](const std::string& name, const PipelineShape& shape) {
    std::map<std::pair<int, Verb>, int> count;
    for (const Program& program : schedule_named(name, shape).programs) {
      for (const Action& action : program) {
        ASSERT_EQ(action.microbatch, (count[{action.stage, action.verb}]++))
            << described(name, shape);
        ASSERT_EQ(action.block, kWholeStage);
      }
    }
    const int verbs = name == "zb-h1" ? 3 : 2;
    ASSERT_EQ(static_cast<int>(count.size()), verbs * shape.stages());
    for (const auto& [of, actions] : count) {
      ASSERT_EQ(actions, shape.microbatches) << described(name, shape);
    }
  });
}

TEST(Schedule, IsSoundAtEveryShape) {
  at_every_shape([](const std::string& name, const PipelineShape& shape) {
    ASSERT_NO_THROW(check(schedule_named(name, shape)))
        << described(name, shape);
  });
}

TEST(ForwardOnly, IsSoundAtEveryShape) {
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (int chunks = 1; chunks <= 4; ++chunks) {
      for (int microbatches = 1; microbatches <= 64; microbatches += 3) {
        const PipelineShape shape{ranks, chunks, microbatches};
        ASSERT_NO_THROW(check(forward_only(shape), {.forward_only = true}))
            << described("forward only", shape);
      }
    }
  }
}

// ---- Bubble and held micro-batches against closed formulas. `bubble` is idle
// time in the units of one stage's costs; the costs are whole numbers, so that
// equality is exact.

constexpr StageCost kCosts[] = {{1, 1, 1}, {4, 5, 3}, {3, 3, 1}, {2, 4, 2}};

double work_of(const StageCost& cost) {
  return cost.forward + cost.backward_input + cost.backward_weight;
}

void expect_bubble(const std::string& name, const PipelineShape& shape,
                   const StageCost& cost, double bubble) {
  const Forecast forecast = check(schedule_named(name, shape), {.cost = cost});
  const double work = shape.microbatches * shape.chunks * work_of(cost);
  EXPECT_EQ(forecast.makespan, work + bubble) << described(name, shape);
  for (const double idle : forecast.bubble) {
    EXPECT_EQ(idle, bubble / (work + bubble)) << described(name, shape);
  }
}

TEST(GPipe, IdlesAndHoldsAsMuchAsItsFormulasSay) {
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (int chunks = 1; chunks <= 4; ++chunks) {
      const int fewest = chunks == 1 ? 1 : ranks;
      for (int microbatches = fewest; microbatches <= 40; microbatches += 3) {
        const PipelineShape shape{ranks, chunks, microbatches};
        for (const StageCost& cost : kCosts) {
          expect_bubble("gpipe", shape, cost, (ranks - 1) * work_of(cost));
        }
        for (const double held : check(gpipe(shape)).peak_held) {
          EXPECT_EQ(held, microbatches);
        }
      }
    }
  }
}

TEST(OneFOneB, IdlesAndHoldsAsMuchAsItsFormulasSay) {
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (int microbatches = 1; microbatches <= 64; ++microbatches) {
      const PipelineShape shape{.ranks = ranks, .microbatches = microbatches};
      for (const StageCost& cost : kCosts) {
        expect_bubble("1f1b", shape, cost, (ranks - 1) * work_of(cost));
      }
      const Forecast forecast = check(one_f_one_b(shape));
      for (int rank = 0; rank < ranks; ++rank) {
        EXPECT_EQ(forecast.peak_held[static_cast<std::size_t>(rank)],
                  std::min(microbatches, ranks - rank));
      }
    }
  }
}

TEST(Interleaved, IdlesAndHoldsAsMuchAsItsFormulasSay) {
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (int chunks = 2; chunks <= 4; ++chunks) {
      for (int microbatches = ranks; microbatches <= 64;
           microbatches += ranks) {
        const PipelineShape shape{ranks, chunks, microbatches};
        for (const StageCost& cost : kCosts) {
          expect_bubble("interleaved", shape, cost,
                        (ranks - 1) * work_of(cost));
        }
        const Forecast forecast = check(interleaved(shape));
        for (int rank = 0; rank < ranks; ++rank) {
          const int held =
              std::min(microbatches * chunks,
                       2 * (ranks - rank - 1) + (chunks - 1) * ranks + 1);
          EXPECT_EQ(forecast.peak_held[static_cast<std::size_t>(rank)],
                    static_cast<double>(held) / chunks)
              << described("interleaved", shape);
        }
      }
    }
  }
}

TEST(Interleaved, IsNoSlowerThanOneFOneBAtAnyShape) {
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (const int chunks : {2, 3, 4}) {
      const double whole = chunks;  // a rank's cost is that of its chunks
      for (int microbatches = 1; microbatches <= 40; ++microbatches) {
        const PipelineShape shape{ranks, chunks, microbatches};
        EXPECT_LE(check(interleaved(shape)).makespan,
                  check(one_f_one_b({ranks, 1, microbatches}),
                        {.cost = {whole, whole, whole}})
                      .makespan)
            << described("interleaved", shape);
      }
    }
  }
}

TEST(ZeroBubbleH1, IdlesAndHoldsAsMuchAsItsFormulasSay) {
  for (int ranks = 1; ranks <= 16; ++ranks) {
    for (int microbatches = 1; microbatches <= 64; ++microbatches) {
      const PipelineShape shape{.ranks = ranks, .microbatches = microbatches};
      if (microbatches >= ranks) {
        for (const StageCost& cost : kCosts) {
          expect_bubble("zb-h1", shape, cost,
                        (ranks - 1) * (cost.forward + cost.backward_input -
                                       cost.backward_weight));
        }
      }
      for (const double held : check(zero_bubble_h1(shape)).peak_held) {
        EXPECT_EQ(held, std::min(microbatches, ranks));
      }
    }
  }
}

}  // namespace
}  // namespace cairn
