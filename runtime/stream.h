// A Stream is an ordered queue of work on one device; an Event marks a point in
// one. Work on a stream runs in the order it was enqueued; work on different
// streams has no order but what events give it.
//
// Failure: a stream keeps the first failure of its work and runs nothing after
// it. An event recorded later carries that failure; a stream that waits for the
// event fails too, and so on down the line until a host thread synchronizes,
// which rethrows it.
//
// Threads: a Stream may be fed from one thread at a time. An Event may be
// waited on from any thread. No call waits for the device but
// Stream::synchronize and Event::synchronize (and enqueueing while the queue is
// full, which waits for room).

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/device.h"

namespace cairn {

class Event {
 public:
  virtual ~Event() = default;

  // True once all work before the mark has finished or was skipped.
  virtual bool reached() const = 0;

  // Blocks the host until reached. Rethrows a failure of the marked work.
  virtual void synchronize() = 0;

  // Seconds from `earlier` to this mark, by the clock of the device that made
  // both. Both must have been reached.
  virtual double seconds_since(const Event& earlier) const = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual Device device() const = 0;

  // As it was made with; for traces and errors.
  virtual const std::string& name() const = 0;

  // Marks the current end of the queue.
  virtual std::shared_ptr<Event> record() = 0;

  // Holds back everything enqueued later until `event` is reached.
  virtual void wait(std::shared_ptr<Event> event) = 0;

  // Runs `work` on the host in the queue's order, unless the stream failed
  // before; what it throws fails the stream. For what is no kernel, such as
  // talking to other ranks. A stream that only pretends to work drops it.
  virtual void enqueue_host(std::function<void()> work) = 0;

  // Blocks the host until the queue is empty. Rethrows the first failure.
  virtual void synchronize() = 0;
};

}  // namespace cairn
