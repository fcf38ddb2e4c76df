#include "launcher/learning_rate.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

OptimizerSection optimizer(const std::string& decay) {
  OptimizerSection result;
  result.lr = 1.0;
  result.min_lr = 0.2;
  result.warmup = 4;
  result.decay = decay;
  return result;
}

TEST(LearningRate, RisesInTheWarmupAndEndsAtTheFloor) {
  for (const char* decay : {"cosine", "linear"}) {
    EXPECT_EQ(learning_rate(optimizer(decay), 12, 1), 0.25);
    EXPECT_EQ(learning_rate(optimizer(decay), 12, 4), 1.0);
    EXPECT_NEAR(learning_rate(optimizer(decay), 12, 8), 0.6, 1e-12);
    EXPECT_EQ(learning_rate(optimizer(decay), 12, 12), 0.2);
  }
  EXPECT_EQ(learning_rate(optimizer("constant"), 12, 12), 1.0);
}

TEST(LearningRate, NeedsNoWarmup) {
  OptimizerSection none = optimizer("cosine");
  none.warmup = 0;

  EXPECT_LT(learning_rate(none, 10, 1), 1.0);
  EXPECT_EQ(learning_rate(none, 1, 1), 0.2);
}

}  // namespace
}  // namespace cairn
