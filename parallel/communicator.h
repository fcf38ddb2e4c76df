// Communicator: what the ranks of one group do together, as work on a stream.
// World: one rank's end of all the run's ranks; it makes communicators.
//
// Every operation only enqueues. It takes its place in the stream's order, and
// begins once every member has come to it. Members call the same operations of
// a communicator in the same order; operations of two communicators have no
// order between them. A communicator is used on one stream.
//
// Operands lie where the world says (worlds.h): in host memory, or on a device.
//
// Determinism: sums run in rank order, ((x0 + x1) + x2) + ..., element by
// element, in the operands' own type. So their bits depend on the ranks alone,
// not on the body, the algorithm or how a tensor is cut.
//
// Failure: no wait is without an end. A member that is gone, or silent for the
// world's timeout, turns the operation into kPeerLost, naming rank, operation,
// bytes and group; the stream fails with it, and with the stream whoever waits.
// abort does that to every operation of every member, at once.
//
// Threads: one thread feeds a rank's communicators. The world outlives them;
// they, streams and operands outlive the work enqueued on them.

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/stream.h"
#include "runtime/tensor.h"

namespace cairn {

// The ranks that act together, by their numbers in the world, and which of
// them this end is.
struct Group {
  std::string name;  // in errors and traces: "data", "pipeline 0>1"
  std::vector<int> ranks;
  int rank = 0;  // index in `ranks`

  int size() const { return static_cast<int>(ranks.size()); }
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual const Group& group() const = 0;

  // `to` holds every rank's `from`, in rank order. `from` may be its own part
  // of `to`.
  virtual void all_gather(Stream& stream, const TensorView& from,
                          const TensorView& to) = 0;

  // `to` is this rank's part of the sum of every rank's `from`: the rank-th of
  // size() equal parts. `to` may be that part of `from`. Other parts of `from`
  // are left as they were. f32 and f64.
  virtual void reduce_scatter(Stream& stream, const TensorView& from,
                              const TensorView& to) = 0;

  // x = the sum of every rank's x, any number of elements. f32 and f64.
  virtual void all_reduce(Stream& stream, const TensorView& x) = 0;

  // x = x of the rank at index `root` of the group.
  virtual void broadcast(Stream& stream, const TensorView& x, int root) = 0;

  // To, or from, the rank at that index of the group. A send is over when the
  // receiver has the bytes, or what carries them has; sizes must match.
  virtual void send(Stream& stream, const TensorView& x, int to) = 0;
  virtual void receive(Stream& stream, const TensorView& x, int from) = 0;

  // Over when every member has come to it.
  virtual void barrier(Stream& stream) = 0;
};

class World {
 public:
  virtual ~World() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Every rank in `ranks` calls this with the same arguments, in an order that
  // is the same for all; others do not. This rank is one of them.
  virtual std::unique_ptr<Communicator> make(const std::string& name,
                                             const std::vector<int>& ranks) = 0;

  // Tells every rank that this one gave up and why. Does not wait for them to
  // hear it, and never throws.
  virtual void abort(const std::string& why) noexcept = 0;

  // The first failure of the run, if this rank can tell of one: it looks at
  // the ranks it can see. A process that is told to end asks this, for that may
  // be because another was lost. Returns soon; any thread may call it.
  virtual std::optional<std::string> lost() = 0;
};

struct WorldOptions {
  // How long a rank waits for a peer that does not come.
  std::chrono::milliseconds timeout{std::chrono::minutes{5}};
};

}  // namespace cairn
