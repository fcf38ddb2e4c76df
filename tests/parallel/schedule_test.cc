#include "parallel/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cairn {
namespace {

TEST(OneFOneB, AlternatesOnceThePipelineIsFull) {
  const Schedule schedule = one_f_one_b({.ranks = 3, .microbatches = 4});

  EXPECT_EQ(to_text(schedule.programs[0]),
            "F0.0 F0.1 F0.2 B0.0 F0.3 B0.1 B0.2 B0.3");
  EXPECT_EQ(to_text(schedule.programs[2]),
            "F2.0 B2.0 F2.1 B2.1 F2.2 B2.2 F2.3 B2.3");
}

// Held micro-batches at their most.
int peak(const Program& program) {
  int held = 0;
  int most = 0;
  for (const Action& action : program) {
    held += action.verb == Verb::kForward ? 1 : -1;
    most = std::max(most, held);
  }
  return most;
}

TEST(OneFOneB, HoldsNoMoreThanTheStagesBelowItAtEveryShape) {
  for (int ranks = 1; ranks <= 8; ++ranks) {
    for (int microbatches = 1; microbatches <= 24; ++microbatches) {
      const Schedule schedule =
          one_f_one_b({.ranks = ranks, .microbatches = microbatches});
      for (int rank = 0; rank < ranks; ++rank) {
        EXPECT_EQ(peak(schedule.programs[rank]),
                  std::min(microbatches, ranks - rank));
        EXPECT_EQ(schedule.programs[rank].size(),
                  static_cast<std::size_t>(2 * microbatches));
      }
    }
  }
}

}  // namespace
}  // namespace cairn
