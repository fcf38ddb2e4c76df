#include "parallel/operation/operation.h"

#include <algorithm>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

[[noreturn]] void refuse(const Operation& operation, const Group& group,
                         const std::string& why) {
  throw Error(Code::kBadArgument, std::string(name_of(operation.kind)) +
                                      " on group " + group.name + ": " + why);
}

std::string elements_of(const TensorView& x) {
  return std::to_string(x.elements()) + " of " + name_of(x.dtype);
}

// `parts` has `whole`'s elements, divided by the group's size.
void check_parts(const Operation& operation, const Group& group,
                 const TensorView& part, const TensorView& whole) {
  if (part.dtype == whole.dtype &&
      part.elements() * group.size() == whole.elements()) {
    return;
  }
  refuse(operation, group,
         "a part has " + elements_of(part) + " and the whole " +
             elements_of(whole) + "; the whole is " +
             std::to_string(group.size()) + " parts of the same type");
}

void check_summed(const Operation& operation, const Group& group) {
  const DType dtype = operation.from.dtype;
  if (dtype == DType::kF32 || dtype == DType::kF64) return;
  refuse(operation, group,
         std::string("sums are of f32 or f64, not ") + name_of(dtype));
}

void check_peer(const Operation& operation, const Group& group) {
  if (operation.peer < 0 || operation.peer >= group.size()) {
    refuse(operation, group,
           "index " + std::to_string(operation.peer) + " of a group of " +
               std::to_string(group.size()));
  }
  if (operation.kind != Collective::kBroadcast &&
      operation.peer == group.rank) {
    refuse(operation, group, "a rank has no channel to itself");
  }
}

bool is_channel(Collective kind) {
  return kind == Collective::kSend || kind == Collective::kReceive;
}

bool fits(const Summons& a, const Summons& b) {
  const bool pair = is_channel(a.kind) && is_channel(b.kind);
  const bool same = pair ? a.kind != b.kind : a.kind == b.kind;
  return same && a.bytes == b.bytes && a.dtype == b.dtype && a.root == b.root;
}

std::string detailed(const Summons& call, const Group& group) {
  std::string text = to_text(call);
  if (call.bytes != 0) text += std::string(" of ") + name_of(call.dtype);
  if (call.kind == Collective::kBroadcast &&
      std::cmp_less(call.root, group.ranks.size())) {
    const auto root = static_cast<std::size_t>(call.root);
    text += " from rank " + std::to_string(group.ranks[root]);
  }
  return text;
}

std::string ranks_text(const Group& group, const std::vector<int>& members) {
  std::string text = members.size() == 1 ? "rank" : "ranks";
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto member = static_cast<std::size_t>(members[i]);
    text += (i == 0 ? " " : ", ") + std::to_string(group.ranks[member]);
  }
  return text;
}

std::string own_rank(const Group& group) {
  const auto own = static_cast<std::size_t>(group.rank);
  return "rank " + std::to_string(group.ranks[own]);
}

}  // namespace

const char* name_of(Collective kind) {
  switch (kind) {
    case Collective::kNone:
      return "nothing";
    case Collective::kMake:
      return "make";
    case Collective::kAllGather:
      return "all_gather";
    case Collective::kReduceScatter:
      return "reduce_scatter";
    case Collective::kAllReduce:
      return "all_reduce";
    case Collective::kBroadcast:
      return "broadcast";
    case Collective::kSend:
      return "send";
    case Collective::kReceive:
      return "receive";
    case Collective::kBarrier:
      return "barrier";
  }
  return "unknown";
}

std::string to_text(const Summons& call) {
  const bool moves =
      call.kind != Collective::kBarrier && call.kind != Collective::kMake;
  std::string text = name_of(call.kind);
  if (moves) text += " of " + std::to_string(call.bytes) + " bytes";
  return text;
}

Summons Operation::call() const {
  if (kind == Collective::kBarrier) return {kind};
  const TensorView& whole = from.bytes() > to.bytes() ? from : to;
  const bool rooted = kind == Collective::kBroadcast;
  return {kind, whole.dtype, rooted ? peer : 0, whole.bytes()};
}

void check(const Operation& operation, const Group& group) {
  switch (operation.kind) {
    case Collective::kAllGather:
      return check_parts(operation, group, operation.from, operation.to);
    case Collective::kReduceScatter:
      check_parts(operation, group, operation.to, operation.from);
      return check_summed(operation, group);
    case Collective::kAllReduce:
      return check_summed(operation, group);
    case Collective::kBroadcast:
    case Collective::kSend:
    case Collective::kReceive:
      return check_peer(operation, group);
    case Collective::kNone:
    case Collective::kMake:
    case Collective::kBarrier:
      return;
  }
}

std::optional<std::string> disagreement(const Group& group,
                                        const std::vector<Brought>& calls) {
  for (const Brought& each : calls) {
    const Brought& first = calls.front();
    if (each.member == first.member || fits(first.call, each.call)) continue;
    return "on group " + group.name + " " + ranks_text(group, {first.member}) +
           " came to " + detailed(first.call, group) + " and " +
           ranks_text(group, {each.member}) + " to " +
           detailed(each.call, group) + "; members bring the same";
  }
  return std::nullopt;
}

Group make_group(int rank, int size, const std::string& name,
                 const std::vector<int>& ranks) {
  Group group{name, ranks, -1};
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const std::string which =
        "rank " + std::to_string(ranks[i]) + " of group " + name;
    if (ranks[i] < 0 || ranks[i] >= size) {
      throw Error(Code::kBadArgument,
                  which + " is not in a world of " + std::to_string(size));
    }
    if (std::count(ranks.begin(), ranks.end(), ranks[i]) != 1) {
      throw Error(Code::kBadArgument, which + " was given twice");
    }
    if (ranks[i] == rank) group.rank = static_cast<int>(i);
  }
  if (group.rank < 0) {
    throw Error(Code::kBadArgument, "rank " + std::to_string(rank) +
                                        " makes group " + name +
                                        " without being one of its ranks");
  }
  return group;
}

std::string to_text(const Unmet& unmet) {
  std::string text = own_rank(unmet.group) + " waited " +
                     std::to_string(unmet.waited.count()) + " ms in " +
                     to_text(unmet.call) + " on group " + unmet.group.name;
  if (unmet.missing.empty()) return text;
  return text + ": " + ranks_text(unmet.group, unmet.missing) +
         (unmet.begun ? " came and stopped" : " never came");
}

std::string not_begun(const Group& group, const Summons& call,
                      const std::string& cause) {
  return own_rank(group) + " did not begin " + to_text(call) + " on group " +
         group.name + ": " + cause;
}

}  // namespace cairn
