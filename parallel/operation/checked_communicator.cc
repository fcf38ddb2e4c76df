#include "parallel/operation/checked_communicator.h"

namespace cairn {

void CheckedCommunicator::all_gather(Stream& stream, const TensorView& from,
                                     const TensorView& to) {
  take(stream, {Collective::kAllGather, from, to});
}

void CheckedCommunicator::reduce_scatter(Stream& stream, const TensorView& from,
                                         const TensorView& to) {
  take(stream, {Collective::kReduceScatter, from, to});
}

void CheckedCommunicator::all_reduce(Stream& stream, const TensorView& x) {
  take(stream, {Collective::kAllReduce, x, x});
}

void CheckedCommunicator::broadcast(Stream& stream, const TensorView& x,
                                    int root) {
  take(stream, {Collective::kBroadcast, x, x, root});
}

void CheckedCommunicator::send(Stream& stream, const TensorView& x, int to) {
  take(stream, {Collective::kSend, x, x, to});
}

void CheckedCommunicator::receive(Stream& stream, const TensorView& x,
                                  int from) {
  take(stream, {Collective::kReceive, x, x, from});
}

void CheckedCommunicator::barrier(Stream& stream) {
  take(stream, {Collective::kBarrier, {}, {}});
}

void CheckedCommunicator::take(Stream& stream, const Operation& operation) {
  check(operation, group_);
  enqueue(stream, operation);
}

}  // namespace cairn
