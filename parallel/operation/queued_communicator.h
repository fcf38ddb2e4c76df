// What the communicators of host memory share: each use is checked where it is
// called, then carried out by the body on the stream's own thread.

#pragma once

#include "parallel/communicator.h"
#include "parallel/operation/operation.h"

namespace cairn {

class QueuedCommunicator : public Communicator {
 public:
  explicit QueuedCommunicator(Group group) : group_(std::move(group)) {}

  const Group& group() const final { return group_; }
  void all_gather(Stream& stream, const TensorView& from,
                  const TensorView& to) final;
  void reduce_scatter(Stream& stream, const TensorView& from,
                      const TensorView& to) final;
  void all_reduce(Stream& stream, const TensorView& x) final;
  void broadcast(Stream& stream, const TensorView& x, int root) final;
  void send(Stream& stream, const TensorView& x, int to) final;
  void receive(Stream& stream, const TensorView& x, int from) final;
  void barrier(Stream& stream) final;

 protected:
  // Called on the stream's thread; returns when the operation is over.
  virtual void perform(const Operation& operation) = 0;

 private:
  void enqueue(Stream& stream, const Operation& operation);

  Group group_;
};

}  // namespace cairn
