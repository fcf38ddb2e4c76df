#include "launcher/stop_request.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/error.h"

namespace cairn {
namespace {

TEST(StopRequest, TurnsASignalIntoAFlagAndRestoresTheHandler) {
  struct sigaction before = {};
  sigaction(SIGTERM, nullptr, &before);
  {
    const StopRequest stop;
    EXPECT_FALSE(stop.requested());
    EXPECT_THROW(StopRequest(), Error);

    std::raise(SIGTERM);

    EXPECT_TRUE(stop.requested());
  }
  struct sigaction after = {};
  sigaction(SIGTERM, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
  EXPECT_FALSE(StopRequest().requested());
}

TEST(StopRequestDeathTest, IgnoresSignalsOnceItIsClosed) {
  EXPECT_EXIT(
      {
        {
          StopRequest stop;
          stop.close();
          std::raise(SIGTERM);
        }
        std::raise(SIGTERM);
        std::raise(SIGINT);
        _exit(75);
      },
      testing::ExitedWithCode(75), "");
}

}  // namespace
}  // namespace cairn
