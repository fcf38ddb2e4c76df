// What the communicators of host memory share: each use is carried out by the
// body as host work of the stream.

#pragma once

#include "parallel/operation/checked_communicator.h"

namespace cairn {

class QueuedCommunicator : public CheckedCommunicator {
 public:
  using CheckedCommunicator::CheckedCommunicator;

 protected:
  // Called on the stream's thread; returns when the operation is over.
  virtual void perform(const Operation& operation) = 0;

 private:
  void enqueue(Stream& stream, const Operation& operation) final;
};

}  // namespace cairn
