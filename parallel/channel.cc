#include "parallel/channel.h"

#include <utility>

namespace cairn {

Tensor await(const Compute& compute, Timeline& timeline, Arrival arrival) {
  if (arrival.event) {
    const Timeline::Span span =
        timeline.open(compute.stream, Phase::kBubble, "wait");
    compute.stream.wait(std::move(arrival.event));
  }
  return std::move(arrival.tensor);
}

Channel::Channel(const Compute& compute, Timeline& timeline,
                 std::unique_ptr<Communicator> link, int capacity)
    : compute_(compute),
      timeline_(timeline),
      capacity_(static_cast<std::size_t>(capacity)),
      link_(std::move(link)),
      stream_(compute.backend.make_stream(link_->group().name)) {}

void Channel::send(Tensor value, const std::string& label) {
  while (sent_.size() >= capacity_) release_oldest();
  stream_->wait(compute_.stream.record());
  {
    const Timeline::Span span =
        timeline_.open(*stream_, Phase::kCommunication, label);
    link_->send(*stream_, value, 1);
  }
  sent_.push_back({std::move(value), stream_->record()});
}

void Channel::settle() {
  while (!sent_.empty()) release_oldest();
}

void Channel::release_oldest() {
  await(compute_, timeline_, std::move(sent_.front()));
  sent_.pop_front();
}

Arrival Channel::receive(DType dtype, const Shape& shape,
                         const std::string& label) {
  Tensor landing = compute_.make(Owner::kActivations, dtype, shape);
  stream_->wait(compute_.stream.record());
  {
    const Timeline::Span span =
        timeline_.open(*stream_, Phase::kCommunication, label);
    link_->receive(*stream_, landing, 0);
  }
  return {std::move(landing), stream_->record()};
}

}  // namespace cairn
