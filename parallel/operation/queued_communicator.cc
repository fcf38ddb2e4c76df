#include "parallel/operation/queued_communicator.h"

#include "runtime/error.h"

namespace cairn {

void QueuedCommunicator::enqueue(Stream& stream, const Operation& operation) {
  if (stream.device().kind == Device::Kind::kCuda) {
    throw Error(Code::kBadArgument,
                std::string(name_of(operation.kind)) + " on group " +
                    group().name + " was given a stream of " +
                    to_text(stream.device()) + "; this one is of host memory");
  }
  stream.enqueue_host([this, operation] { perform(operation); });
}

}  // namespace cairn
