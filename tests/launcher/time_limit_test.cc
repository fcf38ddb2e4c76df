#include "launcher/time_limit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "launcher/cli.h"
#include "runtime/error.h"

namespace cairn {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(TimeLimitDeathTest, EndsTheProcessWithItsTextAndTheCodeOfAFault) {
  EXPECT_EXIT(
      {
        const TimeLimit limit(milliseconds(10), "waited for rank 2");
        for (;;) pause();
      },
      testing::ExitedWithCode(kExitFault), "cairn: waited for rank 2\n");
}

TEST(TimeLimit, IsOverWithItsLife) {
  struct sigaction before = {};
  sigaction(SIGALRM, nullptr, &before);
  {
    const TimeLimit limit(hours(1), "a wait");
    EXPECT_THROW(TimeLimit(hours(1), "another"), Error);
    EXPECT_GT(alarm(0), 0U);
  }
  struct sigaction after = {};
  sigaction(SIGALRM, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
  EXPECT_EQ(alarm(0), 0U);
}

}  // namespace
}  // namespace cairn
