#include "runtime/sim/sim_stream.h"

#include <string>
#include <utility>

#include "runtime/error.h"
#include "runtime/sim/sim_state.h"

namespace cairn {

void SimEvent::synchronize() {
  state_.synchronize(log_.rank, shared_from_this());
}

double SimEvent::seconds_since(const Event& earlier) const {
  const auto* other = dynamic_cast<const SimEvent*>(&earlier);
  require(other != nullptr, "times of two devices cannot be compared");
  require(played_ && other->played_,
          "the times of a pretend device are known once its machine has solved "
          "what was enqueued");
  return std::chrono::duration<double>(time_ - other->time_).count();
}

std::vector<SimLog*> SimEvent::play() {
  played_ = true;
  time_ = log_.time;
  moment_ = log_.now;
  clock_ = log_.clock;
  return std::exchange(held_, {});
}

Device SimStream::device() const { return {Device::Kind::kSim, log_.rank}; }

const std::string& SimStream::name() const { return log_.name; }

std::shared_ptr<Event> SimStream::record() {
  return state_.push_record(log_, state_.costs.event());
}

void SimStream::wait(std::shared_ptr<Event> event) {
  auto native = std::dynamic_pointer_cast<SimEvent>(std::move(event));
  require(native != nullptr, "a pretend stream waits for pretend events only");
  state_.push_wait(log_, std::move(native));
}

void SimStream::synchronize() {
  state_.synchronize(log_.rank, state_.push_record(log_, Nanoseconds{0}));
}

SimLog& sim_native(Stream& stream, int rank) {
  auto* native = dynamic_cast<SimStream*>(&stream);
  if (native != nullptr && native->log().rank == rank) return native->log();
  throw Error(Code::kBadArgument, "a stream of " + to_text(stream.device()) +
                                      " was given to " +
                                      to_text({Device::Kind::kSim, rank}));
}

}  // namespace cairn
