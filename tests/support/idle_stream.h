// A stream of nobody's device that does nothing: all its marks are reached at
// once, at time zero.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/stream.h"

namespace cairn {

class IdleStream final : public Stream {
 public:
  Device device() const override { return {Device::Kind::kSim, 0}; }
  const std::string& name() const override { return name_; }
  std::shared_ptr<Event> record() override {
    return std::make_shared<Reached>();
  }
  void wait(std::shared_ptr<Event> /*event*/) override {}
  void enqueue_host(std::function<void()> /*work*/) override {}
  void synchronize() override {}

 private:
  std::string name_ = "idle";
  class Reached final : public Event {
   public:
    bool reached() const override { return true; }
    void synchronize() override {}
    double seconds_since(const Event& /*earlier*/) const override {
      return 0.0;
    }
  };
};

}  // namespace cairn
