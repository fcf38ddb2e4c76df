#include "runtime/sim/reports.h"

#include <algorithm>
#include <string>

namespace cairn {
namespace {

bool is_transfer(Exchange kind) {
  return kind == Exchange::kSend || kind == Exchange::kReceive;
}

const SimExchange& part_at(const SimLog& log, std::size_t op) {
  return log.parts[log.ops[op].index];
}

const SimGroup& group_of(const SimState& state, const SimExchange& part) {
  return state.groups[static_cast<std::size_t>(part.group)];
}

std::string rank_in(const SimGroup& group, int index) {
  return "rank " +
         std::to_string(group.ranks.at(static_cast<std::size_t>(index)));
}

// "receive of 4096 bytes from rank 0 on group pipeline 0>1"
std::string text_of(const SimState& state, const SimExchange& part) {
  const SimGroup& group = group_of(state, part);
  std::string text = name_of(part.kind);
  if (part.kind != Exchange::kBarrier) {
    text += " of " + std::to_string(part.bytes) + " bytes";
  }
  if (part.kind == Exchange::kSend) text += " to ";
  if (part.kind == Exchange::kReceive || part.kind == Exchange::kBroadcast) {
    text += " from ";
  }
  if (is_transfer(part.kind) || part.kind == Exchange::kBroadcast) {
    text += rank_in(group, part.peer);
  }
  return text + " on group " + group.name;
}

// What the operation at which a stream stands is.
std::string head_of(const SimState& state, const SimLog& log) {
  const SimOp& op = log.ops[log.next];
  if (op.kind == SimOp::Kind::kExchange) {
    return text_of(state, part_at(log, log.next));
  }
  if (op.kind == SimOp::Kind::kWait) {
    return "wait for an event of " + SimState::text_of(op.event->log());
  }
  return state.names[static_cast<std::size_t>(op.name)];
}

// Whether an operation is what the other end of `part` waits for.
bool answers(const SimExchange& part, const SimExchange& other) {
  if (part.group != other.group) return false;
  if (!is_transfer(part.kind)) return part.kind == other.kind;
  return is_transfer(other.kind) && other.kind != part.kind &&
         other.peer == part.rank;
}

// ", which never sends", or what the member stands at instead.
std::string fault_of_member(const SimState& state, const SimExchange& part,
                            int member) {
  const SimGroup& group = group_of(state, part);
  const SimLog* log = group.streams.at(static_cast<std::size_t>(member));
  bool comes = false;
  for (std::size_t i = log == nullptr ? 0 : log->next;
       log != nullptr && i < log->ops.size() && !comes; ++i) {
    comes = log->ops[i].kind == SimOp::Kind::kExchange &&
            answers(part, part_at(*log, i));
  }
  if (comes) {
    return ", whose stream " + log->name +
           " stands before that at: " + head_of(state, *log);
  }
  if (part.kind == Exchange::kReceive) return ", which never sends";
  if (part.kind == Exchange::kSend) return ", which never receives";
  return ", which never comes";
}

std::string fault_of(const SimState& state, const SimExchange& part) {
  const SimGroup& group = group_of(state, part);
  if (is_transfer(part.kind)) return fault_of_member(state, part, part.peer);
  std::string text;
  for (int member = 0; member < static_cast<int>(group.ranks.size());
       ++member) {
    const auto index = static_cast<std::size_t>(member);
    const SimLog* come = group.come[index];
    const bool phantom = state.phantoms.contains(group.ranks[index]);
    if (phantom ||
        (come != nullptr && answers(part, part_at(*come, come->next)))) {
      continue;
    }
    text += (text.empty() ? ", waiting for " : "; ") + rank_in(group, member) +
            fault_of_member(state, part, member);
  }
  return text;
}

std::string waits_for(const SimState& state, const SimLog& log) {
  const SimOp& op = log.ops[log.next];
  const SimRank& rank = state.ranks.at(log.rank);
  if (rank.synced < op.syncs) {
    return head_of(state, log) + ", enqueued after the host waits for " +
           SimState::text_of(rank.syncs[rank.synced].event->log());
  }
  if (op.kind != SimOp::Kind::kExchange) return head_of(state, log);
  const SimExchange& part = part_at(log, log.next);
  return text_of(state, part) + fault_of(state, part);
}

const char* verb_of(Touch touch) {
  switch (touch) {
    case Touch::kRead:
      return "reads";
    case Touch::kWrite:
      return "writes";
    case Touch::kAllocate:
      return "is given";
    case Touch::kFree:
      return "gives back";
  }
  return "";
}

std::string text_of(const SimState& state, const Toucher& who) {
  const auto stream = static_cast<std::size_t>(who.moment.stream);
  return state.names[static_cast<std::size_t>(who.name)] + " (operation " +
         std::to_string(who.moment.count) + " of stream " +
         state.logs[stream]->name + ")";
}

std::string text_of(const RaceCheck::Conflict& conflict, bool host) {
  const ByteRange& range = conflict.range;
  std::string text =
      std::to_string(range.bytes) + " bytes at " + std::to_string(range.begin);
  if (host) text += " of host memory";
  if (conflict.owner) {
    text += std::string(" of ") + name_of(*conflict.owner);
  }
  return text;
}

}  // namespace

Error deadlock(const SimState& state) {
  std::string text = "the ranks wait for ever: ";
  bool first = true;
  for (const auto& log : state.logs) {
    if (log->next >= log->ops.size()) continue;
    if (!first) text += "; ";
    first = false;
    text += SimState::text_of(*log) + ": " + waits_for(state, *log);
  }
  return {Code::kBadArgument, text};
}

Error mismatch(const SimState& state, const SimLog& a, const SimLog& b) {
  return {Code::kBadArgument,
          "what ranks do together does not fit: " + SimState::text_of(a) +
              ": " + text_of(state, part_at(a, a.next)) + "; " +
              SimState::text_of(b) + ": " + text_of(state, part_at(b, b.next))};
}

Error with_phantom(const SimState& state, const SimLog& log) {
  return {Code::kBadArgument,
          SimState::text_of(log) + ": " +
              text_of(state, part_at(log, log.next)) +
              ": that rank is a phantom, which only joins in collectives"};
}

Error race(const SimState& state, const SimLog& log, const SimTouch& touch,
           const Toucher& who, const RaceCheck::Conflict& conflict) {
  const Moment& before = conflict.earlier.moment;
  std::string text =
      "rank " + std::to_string(log.rank) + ": " + text_of(state, who) + " " +
      verb_of(touch.touch) + " " + text_of(conflict, touch.host) + " that " +
      text_of(state, conflict.earlier) + " " + verb_of(conflict.earlier_touch);
  if (before.stream == who.moment.stream || log.clock.knows(before)) {
    text += " before";
  } else {
    text +=
        ", in no order: one of these streams must wait for an event of the "
        "other";
  }
  return {Code::kBadArgument, text};
}

}  // namespace cairn
