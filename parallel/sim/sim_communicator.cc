#include "parallel/sim/sim_communicator.h"

#include <string>

#include "runtime/error.h"

namespace cairn {

void SimCommunicator::all_gather(Stream& stream, const TensorView& from,
                                 const TensorView& to) {
  check_parts(Exchange::kAllGather, to, from);
  enqueue(stream, Exchange::kAllGather, from, to);
}

void SimCommunicator::reduce_scatter(Stream& stream, const TensorView& from,
                                     const TensorView& to) {
  check_parts(Exchange::kReduceScatter, from, to);
  enqueue(stream, Exchange::kReduceScatter, from, to);
}

void SimCommunicator::all_reduce(Stream& stream, const TensorView& x) {
  enqueue(stream, Exchange::kAllReduce, x, x);
}

void SimCommunicator::broadcast(Stream& stream, const TensorView& x, int root) {
  const bool gives = root == group_.rank;
  enqueue(stream, Exchange::kBroadcast, gives ? x : TensorView{},
          gives ? TensorView{} : x, root);
}

void SimCommunicator::send(Stream& stream, const TensorView& x, int to) {
  enqueue(stream, Exchange::kSend, x, {}, to);
}

void SimCommunicator::receive(Stream& stream, const TensorView& x, int from) {
  enqueue(stream, Exchange::kReceive, {}, x, from);
}

void SimCommunicator::barrier(Stream& stream) {
  enqueue(stream, Exchange::kBarrier, {}, {});
}

void SimCommunicator::enqueue(Stream& stream, Exchange kind,
                              const TensorView& from, const TensorView& to,
                              int peer) {
  machine_.enqueue(stream, {kind, number_, group_.rank, peer, from, to});
}

void SimCommunicator::check_parts(Exchange kind, const TensorView& whole,
                                  const TensorView& part) const {
  if (whole.bytes() == part.bytes() * static_cast<std::size_t>(group_.size())) {
    return;
  }
  throw Error(Code::kBadArgument,
              std::string(name_of(kind)) + " on group " + group_.name + " of " +
                  std::to_string(group_.size()) +
                  " ranks: " + to_text(part.shape) + " is not one part of " +
                  to_text(whole.shape));
}

}  // namespace cairn
