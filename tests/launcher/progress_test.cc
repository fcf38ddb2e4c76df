#include "launcher/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace cairn {
namespace {

StepRecord record(std::int64_t step) {
  StepRecord result;
  result.step = step;
  result.loss = 2.5;
  result.grad_norm = 0.75;
  result.lr = 1e-3;
  result.tokens_per_s = 1234.4;
  result.step_ms = 1000.0;
  return result;
}

TEST(Progress, WritesRareLinesWithoutATerminal) {
  std::ostringstream out;
  double now = 0.0;
  Progress progress(out, {.steps = 40, .now = [&now] { return now; }});

  for (int step = 1; step <= 40; ++step) {
    now += 1.0;
    progress.step(record(step));
  }

  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 7);
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "step 1/40  loss 2.5000  norm 0.75  1234 tok/s  ETA 0:39  "
            "lr 1.00e-03");
}

TEST(Progress, RewritesOneLineOnATerminal) {
  std::ostringstream out;
  Progress progress(out, {.steps = 9, .terminal = true, .columns = 11});

  progress.step(record(1));
  progress.say("hello");
  progress.finish();
  progress.finish();

  EXPECT_EQ(out.str(), "\rstep 1/9  \x1b[K\r\x1b[Khello\n\rstep 1/9  \x1b[K\n");
}

}  // namespace
}  // namespace cairn
