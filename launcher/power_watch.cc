#include "launcher/power_watch.h"

#include <algorithm>
#include <utility>

namespace cairn {
namespace {

constexpr double kHistorySeconds = 60.0;

double steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

void add(std::optional<double>& sum, const std::optional<double>& part) {
  if (sum && part) {
    *sum += *part;
  } else {
    sum.reset();
  }
}

// Joules are added up, clocks averaged, and the hottest counts.
MeterReading together(const std::vector<MeterReading>& readings) {
  MeterReading sum{0.0, 0.0, std::nullopt};
  for (const MeterReading& each : readings) {
    add(sum.joules, each.joules);
    add(sum.sm_clock_mhz, each.sm_clock_mhz);
    if (each.celsius) {
      sum.celsius = std::max(*each.celsius, sum.celsius.value_or(-300.0));
    }
  }
  if (sum.sm_clock_mhz) {
    *sum.sm_clock_mhz /= static_cast<double>(readings.size());
  }
  return sum;
}

}  // namespace

void PowerTrack::add(double seconds,
                     const std::vector<MeterReading>& readings) {
  if (readings.empty()) return;
  samples_.push_back({seconds, together(readings)});
  while (seconds - samples_.front().seconds > kHistorySeconds) {
    samples_.pop_front();
  }
}

PowerDraw PowerTrack::draw(double seconds) const {
  PowerDraw draw;
  if (samples_.empty()) return draw;
  const Sample& last = samples_.back();
  draw.celsius = last.together.celsius;
  auto first = samples_.rbegin();
  double clocks = 0;
  int count = 0;
  bool known = true;
  for (auto it = samples_.rbegin(); it != samples_.rend(); ++it) {
    if (count > 1 && last.seconds - first->seconds >= seconds) break;
    first = it;
    known = known && it->together.sm_clock_mhz.has_value();
    clocks += it->together.sm_clock_mhz.value_or(0.0);
    ++count;
  }
  if (known) draw.sm_clock_mhz = clocks / count;
  const double time = last.seconds - first->seconds;
  if (time > 0 && last.together.joules && first->together.joules) {
    draw.watts = (*last.together.joules - *first->together.joules) / time;
  }
  return draw;
}

PowerWatch::PowerWatch(Meters meters, std::chrono::milliseconds period)
    : meters_(std::move(meters)) {
  if (meters_.empty()) return;
  thread_ = std::thread([this, period] { watch(period); });
}

PowerWatch::~PowerWatch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ends_.notify_all();
  if (thread_.joinable()) thread_.join();
}

PowerDraw PowerWatch::draw(double seconds) const {
  const std::lock_guard lock(mutex_);
  return track_.draw(seconds);
}

void PowerWatch::watch(std::chrono::milliseconds period) {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    lock.unlock();
    std::vector<MeterReading> readings;
    readings.reserve(meters_.size());
    for (const auto& meter : meters_) readings.push_back(meter->read());
    const double now = steady_seconds();
    lock.lock();
    track_.add(now, readings);
    ends_.wait_for(lock, period, [this] { return ended_; });
  }
}

}  // namespace cairn
