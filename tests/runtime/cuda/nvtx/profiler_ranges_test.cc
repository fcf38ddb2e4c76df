// Spans of a timeline as a profiler sees them; needs no device.

#include "runtime/cuda/profiler_ranges.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

namespace cairn {
namespace {

class Mark final : public Event {
 public:
  bool reached() const override { return true; }
  void synchronize() override {}
  double seconds_since(const Event& /*earlier*/) const override { return 0; }
};

// A stream that says which device it is of, and does nothing.
class NamedStream final : public Stream {
 public:
  explicit NamedStream(Device::Kind kind) : kind_(kind) {}

  Device device() const override { return {kind_, 0}; }
  const std::string& name() const override { return name_; }
  std::shared_ptr<Event> record() override { return std::make_shared<Mark>(); }
  void wait(std::shared_ptr<Event> /*event*/) override {}
  void enqueue_host(std::function<void()> /*work*/) override {}
  void synchronize() override {}

 private:
  Device::Kind kind_;
  std::string name_;
};

// What the injected library has noted so far.
std::string noted() {
  void* const library = dlopen(CAIRN_NVTX_INJECTION, RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return "the library was not loaded";
  using Notes = const char* (*)();
  return reinterpret_cast<Notes>(dlsym(library, "noted_ranges"))();
}

// NVTX looks for a profiler at its first call and never again, so all is told
// in one case.
TEST(ProfilerRanges, HaveTheNamesAndPhasesOfACudaTimelinesSpans) {
  setenv("NVTX_INJECTION64_PATH", CAIRN_NVTX_INJECTION, 1);
  NamedStream cuda(Device::Kind::kCuda);
  NamedStream other(Device::Kind::kSim);
  Timeline timeline;
  Timeline disabled(/*enabled=*/false);

  {
    const auto forward = timeline.open(cuda, Phase::kCompute, "F0.1/2");
    const auto simulated = timeline.open(other, Phase::kCompute, "F0.2/2");
    const auto unseen = disabled.open(cuda, Phase::kCompute, "F0.3/2");
    auto wait = timeline.open(cuda, Phase::kCommunication, "wait");
    const Timeline::Span moved = std::move(wait);
  }
  timeline.open(cuda, Phase::kOptimizer, "update").close();

  EXPECT_EQ(noted(),
            "domain cairn\n"
            "compute F0.1/2\n"
            "communication wait\n"
            "end\n"
            "end\n"
            "optimizer update\n"
            "end\n");
}

}  // namespace
}  // namespace cairn
