// A PowerWatch reads meters again and again from a thread of its own, so that a
// step never waits for a driver's answer, and says what was drawn lately.
//
// Threads: `draw` from any. The meters are used from the watch's thread alone.

#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/device_meter.h"

namespace cairn {

// Over some time; what no meter tells is none.
struct PowerDraw {
  std::optional<double> watts;         // of all meters together
  std::optional<double> sm_clock_mhz;  // mean, over meters and time
  std::optional<double> celsius;       // of the hottest, last
};

// What meters told, with times, as far back as a minute.
class PowerTrack {
 public:
  // One reading of each meter, in the same order, at a growing time.
  void add(double seconds, const std::vector<MeterReading>& readings);

  // Over the last `seconds`, or a little longer: at least from the last but one
  // reading to the last.
  PowerDraw draw(double seconds) const;

 private:
  struct Sample {
    double seconds;
    MeterReading together;
  };
  std::deque<Sample> samples_;
};

class PowerWatch {
 public:
  using Meters = std::vector<std::unique_ptr<DeviceMeter>>;

  PowerWatch(Meters meters, std::chrono::milliseconds period);
  ~PowerWatch();

  PowerWatch(const PowerWatch&) = delete;
  PowerWatch& operator=(const PowerWatch&) = delete;

  PowerDraw draw(double seconds) const;

 private:
  void watch(std::chrono::milliseconds period);

  Meters meters_;
  mutable std::mutex mutex_;
  std::condition_variable ends_;
  bool ended_ = false;
  PowerTrack track_;
  std::thread thread_;
};

}  // namespace cairn
