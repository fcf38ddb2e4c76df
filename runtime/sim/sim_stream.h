// A stream that records what is enqueued, and the marks in it.

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/sim/clock.h"
#include "runtime/stream.h"

namespace cairn {

struct SimLog;
struct SimState;

class SimEvent final : public Event,
                       public std::enable_shared_from_this<SimEvent> {
 public:
  SimEvent(SimState& state, SimLog& log) : state_(state), log_(log) {}

  // The host of a pretend device never waits.
  bool reached() const override { return true; }
  // What the rank enqueues from now on comes after the mark.
  void synchronize() override;
  // Known once the machine has played both.
  double seconds_since(const Event& earlier) const override;

  SimLog& log() const { return log_; }
  bool played() const { return played_; }
  std::chrono::nanoseconds time() const { return time_; }
  const Moment& moment() const { return moment_; }
  const Clock& clock() const { return clock_; }

  // The streams that it holds back, to be played on.
  std::vector<SimLog*> play();
  void hold(SimLog& log) { held_.push_back(&log); }

 private:
  SimState& state_;
  SimLog& log_;
  bool played_ = false;
  std::chrono::nanoseconds time_{0};
  Moment moment_;
  Clock clock_;  // of its stream
  std::vector<SimLog*> held_;
};

class SimStream final : public Stream {
 public:
  SimStream(SimState& state, SimLog& log) : state_(state), log_(log) {}

  Device device() const override;
  const std::string& name() const override;
  std::shared_ptr<Event> record() override;
  // Throws kBadArgument for an event of another device.
  void wait(std::shared_ptr<Event> event) override;
  void enqueue_host(std::function<void()> /*work*/) override {}
  void synchronize() override;

  SimLog& log() const { return log_; }

 private:
  SimState& state_;
  SimLog& log_;
};

// What the stream records into; the one downcast of this body. Throws
// kBadArgument, naming the device, when it is another's, or another rank's.
SimLog& sim_native(Stream& stream, int rank);

}  // namespace cairn
