// What the communicators that compute share: each use becomes one Operation,
// checked where it is called, which the body then enqueues.

#pragma once

#include <utility>

#include "parallel/communicator.h"
#include "parallel/operation/operation.h"

namespace cairn {

class CheckedCommunicator : public Communicator {
 public:
  explicit CheckedCommunicator(Group group) : group_(std::move(group)) {}

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
  // `operation` has passed check().
  virtual void enqueue(Stream& stream, const Operation& operation) = 0;

 private:
  void take(Stream& stream, const Operation& operation);

  Group group_;
};

}  // namespace cairn
