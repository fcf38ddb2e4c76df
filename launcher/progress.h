// What a person sees while a run goes on: on a terminal one line that is
// rewritten in place, elsewhere plain lines that grow rarer.

#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

#include "launcher/metrics.h"

namespace cairn {

struct ProgressOptions {
  std::int64_t steps = 0;
  bool terminal = false;
  int columns = 80;
  // Seconds on a clock that never goes back. Empty: the steady clock.
  std::function<double()> now = {};
};

class Progress {
 public:
  Progress(std::ostream& out, ProgressOptions options);
  ~Progress();

  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(const StepRecord& record);
  void evaluation(std::int64_t step, double valid_loss);

  // A line of its own, above the live one.
  void say(const std::string& text);

  // Leaves the last state on a line of its own. Again is harmless.
  void finish();

 private:
  std::string describe(const StepRecord& record) const;
  bool due(std::int64_t step);
  void draw();

  std::ostream& out_;
  ProgressOptions options_;
  std::string live_;  // what the live line shows; empty: there is none
  double mean_ms_ = 0.0;
  double last_line_ = 0.0;
};

}  // namespace cairn
