#include "parallel/threads/thread_communicator.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;

void copy_bytes(const std::byte* from, std::byte* to, std::size_t bytes) {
  if (bytes != 0 && from != to) std::memcpy(to, from, bytes);
}

std::size_t offset_of(const TensorView& x, std::int64_t element) {
  return static_cast<std::size_t>(element) * size_of(x.dtype);
}

}  // namespace

ThreadCommunicator::ThreadCommunicator(std::shared_ptr<Hub> hub, int rank,
                                       const Group& group)
    : QueuedCommunicator(group),
      hub_(std::move(hub)),
      slot_(hub_->board(), rank, group.name),
      room_(hub_->room(group)) {}

void ThreadCommunicator::perform(const Operation& operation) {
  const Summons call = operation.call();
  if (const auto cause = hub_->board().failure()) {
    throw Error(Code::kPeerLost, not_begun(group(), call, *cause));
  }
  const Waiting waiting(slot_, call);
  if (operation.kind == Collective::kSend ||
      operation.kind == Collective::kReceive) {
    over_channel(operation);
  } else {
    together(operation);
  }
}

void ThreadCommunicator::meet(Meeting& meeting, int member,
                              const Operation& operation) {
  const auto begin = Meeting::Clock::now();
  if (meeting.arrive(member, operation, begin + hub_->timeout())) return;

  std::vector<int> missing = meeting.missing(member);
  if (&meeting != &room_->all() && !missing.empty()) missing = {operation.peer};
  const auto waited =
      std::chrono::duration_cast<milliseconds>(Meeting::Clock::now() - begin);
  const std::string text =
      to_text(Unmet{group(), operation.call(), waited, missing});
  if (const auto cause = hub_->board().failure()) {
    throw Error(Code::kPeerLost, text + " (" + *cause + ")");
  }
  const std::string all = text + "; " + hub_->board().others(-1);
  hub_->fail(all);
  throw Error(Code::kPeerLost, all);
}

// Every member of the meeting comes to the same verdict.
void ThreadCommunicator::agree(Meeting& meeting,
                               const std::vector<Brought>& calls) {
  const auto difference = disagreement(group(), calls);
  if (!difference) return;
  meeting.pass();
  hub_->fail(*difference);
  throw Error(Code::kBadArgument, *difference);
}

void ThreadCommunicator::together(const Operation& operation) {
  Meeting& meeting = room_->all();
  meet(meeting, group().rank, operation);
  std::vector<Brought> calls;
  calls.reserve(group().ranks.size());
  for (int member = 0; member < group().size(); ++member) {
    calls.push_back({member, meeting.brought(member).call()});
  }
  agree(meeting, calls);

  switch (operation.kind) {
    case Collective::kAllGather:
      gather(operation.from, operation.to);
      break;
    case Collective::kReduceScatter: {
      const std::int64_t part = operation.to.elements();
      sum_part(operation.to, {group().rank * part, part});
      break;
    }
    case Collective::kAllReduce:
      reduce(operation.to);
      break;
    case Collective::kBroadcast:
      copy_bytes(meeting.brought(operation.peer).from.data, operation.to.data,
                 operation.to.bytes());
      break;
    default:
      break;
  }
  meeting.pass();
}

void ThreadCommunicator::over_channel(const Operation& operation) {
  const bool sends = operation.kind == Collective::kSend;
  const int own = group().rank;
  const int from = sends ? own : operation.peer;
  const int to = sends ? operation.peer : own;
  Meeting& meeting = room_->channel(from, to);
  meet(meeting, sends ? 0 : 1, operation);
  const Operation& sent = meeting.brought(0);
  agree(meeting, {{from, sent.call()}, {to, meeting.brought(1).call()}});

  if (!sends)
    copy_bytes(sent.from.data, operation.to.data, operation.to.bytes());
  meeting.pass();
}

void ThreadCommunicator::gather(const TensorView& from, const TensorView& to) {
  const std::size_t bytes = from.bytes();
  for (int member = 0; member < group().size(); ++member) {
    copy_bytes(room_->all().brought(member).from.data,
               to.data + static_cast<std::size_t>(member) * bytes, bytes);
  }
}

// `range` of the sum of all operands, to the beginning of `out`.
void ThreadCommunicator::sum_part(const TensorView& out, ElementRange range) {
  std::vector<const std::byte*> sources;
  for (int member = 0; member < group().size(); ++member) {
    const TensorView& from = room_->all().brought(member).from;
    sources.push_back(from.data + offset_of(from, range.first));
  }
  sum_in_order(out.dtype, sources, range.count, out.data);
}

void ThreadCommunicator::reduce(const TensorView& x) {
  const auto range = [&](int member) {
    return range_of(x.elements(), member, group().size());
  };
  const ElementRange own = range(group().rank);
  sum_part(x.part(own.first, {own.count}), own);
  room_->all().pass();
  for (int member = 0; member < group().size(); ++member) {
    const std::size_t offset = offset_of(x, range(member).first);
    copy_bytes(room_->all().brought(member).from.data + offset, x.data + offset,
               offset_of(x, range(member).count));
  }
}

}  // namespace cairn
