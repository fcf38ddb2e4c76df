// A Channel is one end of a directed edge between two pipeline stages: tensors
// go over it in order, on a stream of its own, so that no transfer waits behind
// another edge's.
//
// Memory stays in the order of the compute stream: what is sent was made there,
// and what is received is allocated there. Sent tensors are held until their
// receiver has them, `capacity` at most: the next send, or settle(), makes
// compute wait for the oldest and lets go of it.
//
// Threads: fed from the rank's own thread; only enqueues. What compute waits
// for is marked on the timeline as bubble.

#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "parallel/communicator.h"
#include "runtime/backend.h"
#include "runtime/timeline.h"

namespace cairn {

// A tensor that is on its way.
struct Arrival {
  Tensor tensor;
  std::shared_ptr<Event> event;  // none once compute waits for it
};

class Channel {
 public:
  // `link` has two ranks: from, then to. The rest outlives the channel.
  Channel(const Compute& compute, Timeline& timeline,
          std::unique_ptr<Communicator> link, int capacity);

  // `label` names the transfer in traces.
  void send(Tensor value, const std::string& label);
  // Lets go of all that was sent.
  void settle();

  // Allocates the tensor and begins to receive it.
  Arrival receive(DType dtype, const Shape& shape, const std::string& label);

 private:
  void release_oldest();

  Compute compute_;
  Timeline& timeline_;
  std::size_t capacity_;
  // The stream ends its work before what it works on goes.
  std::deque<Arrival> sent_;
  std::unique_ptr<Communicator> link_;
  std::unique_ptr<Stream> stream_;
};

// Makes compute wait for the tensor, if it has not yet.
Tensor await(const Compute& compute, Timeline& timeline, Arrival arrival);

}  // namespace cairn
