#include "parallel/operation/queued_communicator.h"

#include "runtime/error.h"

namespace cairn {

void QueuedCommunicator::all_gather(Stream& stream, const TensorView& from,
                                    const TensorView& to) {
  enqueue(stream, {Collective::kAllGather, from, to});
}

void QueuedCommunicator::reduce_scatter(Stream& stream, const TensorView& from,
                                        const TensorView& to) {
  enqueue(stream, {Collective::kReduceScatter, from, to});
}

void QueuedCommunicator::all_reduce(Stream& stream, const TensorView& x) {
  enqueue(stream, {Collective::kAllReduce, x, x});
}

void QueuedCommunicator::broadcast(Stream& stream, const TensorView& x,
                                   int root) {
  enqueue(stream, {Collective::kBroadcast, x, x, root});
}

void QueuedCommunicator::send(Stream& stream, const TensorView& x, int to) {
  enqueue(stream, {Collective::kSend, x, x, to});
}

void QueuedCommunicator::receive(Stream& stream, const TensorView& x,
                                 int from) {
  enqueue(stream, {Collective::kReceive, x, x, from});
}

void QueuedCommunicator::barrier(Stream& stream) {
  enqueue(stream, {Collective::kBarrier, {}, {}});
}

void QueuedCommunicator::enqueue(Stream& stream, const Operation& operation) {
  if (stream.device().kind == Device::Kind::kCuda) {
    throw Error(Code::kBadArgument,
                std::string(name_of(operation.kind)) + " on group " +
                    group_.name + " was given a stream of " +
                    to_text(stream.device()) + "; this one is of host memory");
  }
  check(operation, group_);
  stream.enqueue_host([this, operation] { perform(operation); });
}

}  // namespace cairn
