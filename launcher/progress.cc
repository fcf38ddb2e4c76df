#include "launcher/progress.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <utility>

namespace cairn {
namespace {

constexpr double kLineEverySeconds = 10.0;

double steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string text(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

std::string duration(double seconds) {
  if (!(seconds < 1e9)) return "?";
  const auto whole = static_cast<long>(std::ceil(seconds));
  std::array<char, 64> buffer{};
  if (whole < 3600) {
    std::snprintf(buffer.data(), buffer.size(), "%ld:%02ld", whole / 60,
                  whole % 60);
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%ld:%02ld:%02ld", whole / 3600,
                  whole / 60 % 60, whole % 60);
  }
  return buffer.data();
}

}  // namespace

Progress::Progress(std::ostream& out, ProgressOptions options)
    : out_(out), options_(std::move(options)) {
  if (!options_.now) options_.now = steady_seconds;
}

Progress::~Progress() { finish(); }

void Progress::step(const StepRecord& record) {
  mean_ms_ =
      mean_ms_ == 0.0 ? record.step_ms : 0.9 * mean_ms_ + 0.1 * record.step_ms;
  if (options_.terminal) {
    live_ = describe(record);
    draw();
  } else if (due(record.step)) {
    out_ << describe(record) << std::endl;
    last_line_ = options_.now();
  }
}

void Progress::evaluation(std::int64_t step, double valid_loss) {
  say("step " + std::to_string(step) + "/" + std::to_string(options_.steps) +
      "  validation loss " + text("%.4f", valid_loss));
}

void Progress::say(const std::string& line) {
  if (!live_.empty()) out_ << "\r\x1b[K";
  out_ << line << std::endl;
  if (!live_.empty()) draw();
}

void Progress::finish() {
  if (!live_.empty()) out_ << std::endl;
  live_.clear();
}

std::string Progress::describe(const StepRecord& record) const {
  std::string line = "step " + std::to_string(record.step) + "/" +
                     std::to_string(options_.steps) + "  loss " +
                     text("%.4f", record.loss) + "  norm " +
                     text("%.2f", record.grad_norm) + "  " +
                     text("%.0f", record.tokens_per_s) + " tok/s";
  if (record.mfu) line += "  MFU " + text("%.1f%%", 100.0 * *record.mfu);
  const auto left = static_cast<double>(options_.steps - record.step);
  return line + "  ETA " + duration(left * mean_ms_ / 1000.0) + "  lr " +
         text("%.2e", record.lr);
}

// At 1, 2, 5 and 10, then when enough time has gone by, and at the end.
bool Progress::due(std::int64_t step) {
  if (step == 1 || step == 2 || step == 5 || step == 10) return true;
  return step >= options_.steps ||
         options_.now() - last_line_ >= kLineEverySeconds;
}

void Progress::draw() {
  // A line that wraps could not be rewritten.
  const auto room = static_cast<std::size_t>(options_.columns - 1);
  out_ << '\r' << live_.substr(0, room) << "\x1b[K" << std::flush;
}

}  // namespace cairn
