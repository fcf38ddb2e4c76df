#include "runtime/sim/sim_stream.h"

namespace cairn {
namespace {

class SimEvent final : public Event {
 public:
  bool reached() const override { return true; }
  void synchronize() override {}
  double seconds_since(const Event& /*earlier*/) const override { return 0.0; }
};

}  // namespace

SimStream::SimStream() : event_(std::make_shared<SimEvent>()) {}

}  // namespace cairn
