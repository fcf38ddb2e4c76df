#include "parallel/mpi/mpi_communicator.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::size_t kScratchBytes = std::size_t{8} << 20;
constexpr std::size_t kLeastPiece = std::size_t{64} << 10;
constexpr std::size_t kMostPiece = std::size_t{1} << 20;

std::size_t piece_of(int members) {
  return std::clamp(kScratchBytes / static_cast<std::size_t>(members),
                    kLeastPiece, kMostPiece);
}

// What of `range` is in the piece that begins `first` elements into it.
ElementRange piece_of(const ElementRange& range, std::int64_t first,
                      std::int64_t length) {
  return {range.first + first,
          std::clamp<std::int64_t>(range.count - first, 0, length)};
}

std::byte* at(const TensorView& x, std::int64_t element) {
  if (x.data == nullptr) return nullptr;
  return x.data + static_cast<std::size_t>(element) * size_of(x.dtype);
}

std::size_t bytes_of(const TensorView& x, const ElementRange& range) {
  return static_cast<std::size_t>(range.count) * size_of(x.dtype);
}

}  // namespace

MpiCommunicator::MpiCommunicator(MpiLink& link, const Group& group, int tag)
    : QueuedCommunicator(group),
      link_(link),
      tag_(tag),
      slot_(link.board(), link.place(), group.name),
      everyone_(group.ranks.size()),
      piece_bytes_(piece_of(group.size())) {
  std::iota(everyone_.begin(), everyone_.end(), 0);
}

void MpiCommunicator::perform(const Operation& operation) {
  const Summons call = operation.call();
  if (const auto cause = link_.board().failure()) {
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

void MpiCommunicator::agree(const Summons& call,
                            const std::vector<int>& members) {
  const auto calls = link_.exchange(group(), tag_, call, members);
  const auto difference = disagreement(group(), calls);
  if (!difference) return;
  try {
    // The run fails for this only when all of them have seen it.
    link_.exchange(group(), tag_, call, members);
  } catch (const Error&) {
    // Another was faster; this end refuses for the same reason.
  }
  link_.board().fail(*difference);
  throw Error(Code::kBadArgument, *difference);
}

void MpiCommunicator::together(const Operation& operation) {
  const Summons call = operation.call();
  agree(call, everyone_);
  std::vector<ElementRange> ranges;
  switch (operation.kind) {
    case Collective::kAllGather:
      return gather(call, operation.from, operation.to);
    case Collective::kReduceScatter:
      for (const int member : everyone_) {
        const std::int64_t part = operation.to.elements();
        ranges.push_back({member * part, part});
      }
      return scatter_sum(call, operation.from, ranges, operation.to.data);
    case Collective::kAllReduce:
      return reduce(call, operation.to);
    case Collective::kBroadcast:
      return broadcast_from(call, operation.to);
    default:
      return;
  }
}

// The sender is through when the receiver says that the bytes are there.
void MpiCommunicator::over_channel(const Operation& operation) {
  const Summons call = operation.call();
  const int peer = operation.peer;
  agree(call, {std::min(peer, group().rank), std::max(peer, group().rank)});
  const bool sends = operation.kind == Collective::kSend;
  std::byte arrived{1};
  Batch bytes = batch();
  if (sends) {
    bytes.send(peer, operation.from.data, operation.from.bytes());
    bytes.receive(peer, &arrived, sizeof(arrived));
  } else {
    bytes.receive(peer, operation.to.data, operation.to.bytes());
  }
  link_.wait(bytes, group(), call, /*begun=*/true);
  if (sends) return;
  Batch receipt = batch();
  receipt.send(peer, &arrived, sizeof(arrived));
  link_.wait(receipt, group(), call, /*begun=*/true);
}

void MpiCommunicator::gather(const Summons& call, const TensorView& from,
                             const TensorView& to) {
  const std::int64_t part = from.elements();
  Batch bytes = batch();
  for (const int member : everyone_) {
    if (is_own(member)) continue;
    bytes.receive(member, at(to, member * part), from.bytes());
    bytes.send(member, from.data, from.bytes());
  }
  std::byte* own = at(to, group().rank * part);
  if (own != from.data && from.bytes() != 0) {
    std::memcpy(own, from.data, from.bytes());
  }
  link_.wait(bytes, group(), call, /*begun=*/true);
}

std::byte* MpiCommunicator::scratch(int member) {
  if (scratch_.empty()) scratch_.resize(piece_bytes_ * everyone_.size());
  return scratch_.data() + piece_bytes_ * static_cast<std::size_t>(member);
}

// Every member sums one of `ranges`: this one's sum goes to `out`. A piece of
// it at a time, so that scratch is small whatever the tensor.
void MpiCommunicator::scatter_sum(const Summons& call, const TensorView& from,
                                  const std::vector<ElementRange>& ranges,
                                  std::byte* out) {
  const auto own = static_cast<std::size_t>(group().rank);
  const auto length =
      static_cast<std::int64_t>(piece_bytes_ / size_of(from.dtype));
  // The first range is the longest, and all members take as many pieces.
  for (std::int64_t first = 0; first < ranges[0].count; first += length) {
    const ElementRange piece = piece_of(ranges[own], first, length);
    std::vector<const std::byte*> sources;
    Batch bytes = batch();
    for (const int member : everyone_) {
      if (is_own(member)) {
        sources.push_back(at(from, piece.first));
        continue;
      }
      const ElementRange theirs =
          piece_of(ranges[static_cast<std::size_t>(member)], first, length);
      bytes.receive(member, scratch(member), bytes_of(from, piece));
      bytes.send(member, at(from, theirs.first), bytes_of(from, theirs));
      sources.push_back(scratch(member));
    }
    link_.wait(bytes, group(), call, /*begun=*/true);
    if (piece.count == 0) continue;
    sum_in_order(from.dtype, sources, piece.count,
                 out + static_cast<std::size_t>(first) * size_of(from.dtype));
  }
}

void MpiCommunicator::reduce(const Summons& call, const TensorView& x) {
  std::vector<ElementRange> ranges;
  for (const int member : everyone_) {
    ranges.push_back(range_of(x.elements(), member, group().size()));
  }
  const ElementRange own = ranges[static_cast<std::size_t>(group().rank)];
  scatter_sum(call, x, ranges, at(x, own.first));
  Batch bytes = batch();
  for (const int member : everyone_) {
    if (is_own(member)) continue;
    const ElementRange theirs = ranges[static_cast<std::size_t>(member)];
    bytes.receive(member, at(x, theirs.first), bytes_of(x, theirs));
    bytes.send(member, at(x, own.first), bytes_of(x, own));
  }
  link_.wait(bytes, group(), call, /*begun=*/true);
}

void MpiCommunicator::broadcast_from(const Summons& call, const TensorView& x) {
  Batch bytes = batch();
  if (!is_own(call.root)) {
    bytes.receive(call.root, x.data, x.bytes());
  } else {
    for (const int member : everyone_) {
      if (!is_own(member)) bytes.send(member, x.data, x.bytes());
    }
  }
  link_.wait(bytes, group(), call, /*begun=*/true);
}

}  // namespace cairn
