#include <algorithm>
#include <deque>

#include "runtime/error.h"
#include "runtime/sim/reports.h"
#include "runtime/sim/sim_state.h"

namespace cairn {
namespace {

bool is_transfer(Exchange kind) {
  return kind == Exchange::kSend || kind == Exchange::kReceive;
}

const SimExchange& part_of(const SimLog& log) {
  return log.parts[log.ops[log.next].index];
}

// Plays each stream until it must wait, then the next that need not. When an
// operation ends follows from the ends of those before it alone, so the order
// in which streams are taken up changes nothing.
class Solver {
 public:
  explicit Solver(SimState& state) : state_(state) {}

  void run();

 private:
  void play(SimLog& log);
  // False: the stream must wait, and will be taken up when it need not.
  bool perform(SimLog& log, SimOp& op);
  bool catch_up(SimLog& log, const SimOp& op);
  bool wait(SimLog& log, const SimOp& op);
  void record(SimLog& log, const SimOp& op);
  bool exchange(SimLog& log, const SimOp& op);
  bool transfer(SimGroup& group, SimLog& log);
  bool collective(SimGroup& group, SimLog& log);
  void complete(SimGroup& group, const std::vector<SimLog*>& members);
  void work(SimLog& log, const SimOp& op, Nanoseconds begin, Nanoseconds end);
  void check_touches(SimLog& log, const SimOp& op);
  void let_host_go_on(SimRank& rank);

  SimState& state_;
  std::deque<SimLog*> ready_;
};

void Solver::run() {
  for (SimGroup& group : state_.groups) {
    group.present = static_cast<int>(std::count_if(
        group.ranks.begin(), group.ranks.end(),
        [&](int rank) { return !state_.phantoms.contains(rank); }));
  }
  for (auto& [number, rank] : state_.ranks) let_host_go_on(rank);
  for (const auto& log : state_.logs) ready_.push_back(log.get());
  while (!ready_.empty()) {
    SimLog& log = *ready_.front();
    ready_.pop_front();
    play(log);
  }
  const auto stuck = [](const auto& log) {
    return log->next < log->ops.size();
  };
  if (std::any_of(state_.logs.begin(), state_.logs.end(), stuck)) {
    throw deadlock(state_);
  }
  for (const auto& log : state_.logs) {
    log->ops.clear();
    log->touches.clear();
    log->parts.clear();
    log->next = log->next_touch = 0;
  }
}

void Solver::play(SimLog& log) {
  while (log.next < log.ops.size()) {
    if (!perform(log, log.ops[log.next])) return;
  }
}

bool Solver::perform(SimLog& log, SimOp& op) {
  if (!catch_up(log, op)) return false;
  switch (op.kind) {
    case SimOp::Kind::kWork:
      work(log, op, log.time, log.time + op.duration);
      return true;
    case SimOp::Kind::kMemory:
      check_touches(log, op);
      break;
    case SimOp::Kind::kWait:
      return wait(log, op);
    case SimOp::Kind::kRecord:
      record(log, op);
      return true;
    case SimOp::Kind::kExchange:
      return exchange(log, op);
  }
  ++log.next;
  ++log.now.count;
  return true;
}

// Whether the host has waited for all that it does before the operation, which
// then begins no sooner than it was enqueued.
bool Solver::catch_up(SimLog& log, const SimOp& op) {
  SimRank& rank = state_.rank(log.rank);
  if (rank.synced < op.syncs) {
    rank.held.push_back(&log);
    return false;
  }
  Nanoseconds enqueued = op.issued;
  if (op.syncs > 0) {
    const SimSync& sync = rank.syncs[op.syncs - 1];
    enqueued += sync.time;
    if (log.syncs < op.syncs) log.clock.learn(sync.clock);
    log.syncs = op.syncs;
  }
  log.time = std::max(log.time, enqueued);
  return true;
}

bool Solver::wait(SimLog& log, const SimOp& op) {
  SimEvent& event = *op.event;
  if (!event.played()) {
    event.hold(log);
    return false;
  }
  if (event.moment().stream != log.now.stream &&
      !log.clock.knows(event.moment())) {
    state_.rank(log.rank).waits[op.index].ordered = true;
    log.clock.learn(event.moment(), event.clock());
  }
  log.time = std::max(log.time, event.time()) + op.duration;
  ++log.next;
  ++log.now.count;
  return true;
}

void Solver::record(SimLog& log, const SimOp& op) {
  log.time += op.duration;
  ++log.next;
  ++log.now.count;
  for (SimLog* held : op.event->play()) ready_.push_back(held);
  let_host_go_on(state_.rank(log.rank));
}

void Solver::let_host_go_on(SimRank& rank) {
  const std::size_t before = rank.synced;
  while (rank.synced < rank.syncs.size() &&
         rank.syncs[rank.synced].event->played()) {
    SimSync& sync = rank.syncs[rank.synced];
    sync.time = sync.issued;
    if (rank.synced > 0) {
      const SimSync& last = rank.syncs[rank.synced - 1];
      sync.clock = last.clock;
      sync.time += last.time;
    }
    sync.clock.learn(sync.event->moment(), sync.event->clock());
    sync.time = std::max(sync.time, sync.event->time());
    sync.event.reset();
    ++rank.synced;
  }
  if (rank.synced == before) return;
  ready_.insert(ready_.end(), rank.held.begin(), rank.held.end());
  rank.held.clear();
}

bool Solver::exchange(SimLog& log, const SimOp& op) {
  const SimExchange& part = log.parts[op.index];
  SimGroup& group = state_.groups[static_cast<std::size_t>(part.group)];
  group.come[static_cast<std::size_t>(part.rank)] = &log;
  return is_transfer(part.kind) ? transfer(group, log) : collective(group, log);
}

bool Solver::transfer(SimGroup& group, SimLog& log) {
  const SimExchange& part = part_of(log);
  const auto peer = static_cast<std::size_t>(part.peer);
  if (state_.phantoms.contains(group.ranks.at(peer))) {
    throw with_phantom(state_, log);
  }
  SimLog* other = group.come[peer];
  if (other == nullptr) return false;
  const SimExchange& theirs = part_of(*other);
  const bool meet = is_transfer(theirs.kind) && theirs.kind != part.kind &&
                    theirs.peer == part.rank;
  if (!meet) return false;
  if (theirs.bytes != part.bytes) throw mismatch(state_, *other, log);
  complete(group, {&log, other});
  return true;
}

bool Solver::collective(SimGroup& group, SimLog& log) {
  const SimExchange& part = part_of(log);
  std::vector<SimLog*> members;
  for (SimLog* other : group.come) {
    if (other == nullptr || is_transfer(part_of(*other).kind)) continue;
    const SimExchange& theirs = part_of(*other);
    if (theirs.kind != part.kind || theirs.bytes != part.bytes ||
        theirs.peer != part.peer) {
      throw mismatch(state_, *other, log);
    }
    members.push_back(other);
  }
  if (static_cast<int>(members.size()) < group.present) return false;
  complete(group, members);
  return true;
}

// What members know of each other from here on: of a collective, that all had
// come to it; of a transfer, that both are through. What an exchange itself
// touches must be ordered by its own stream: that others will have come says
// nothing of when a body first looks at a member's memory.
void Solver::complete(SimGroup& group, const std::vector<SimLog*>& members) {
  const SimExchange part = part_of(*members.front());
  const std::uint64_t through = is_transfer(part.kind) ? 1 : 0;
  std::vector<int> ranks = group.ranks;
  if (is_transfer(part.kind)) {
    ranks = {members.front()->rank, members.back()->rank};
  }
  Nanoseconds begin{0};
  Clock met;
  for (const SimLog* log : members) {
    begin = std::max(begin, log->time);
    met.learn({log->now.stream, log->now.count + through}, log->clock);
  }
  const Nanoseconds end =
      begin + state_.costs.exchange(part.kind, part.bytes, ranks);
  for (SimLog* log : members) {
    group.come[static_cast<std::size_t>(part_of(*log).rank)] = nullptr;
    work(*log, log->ops[log->next], begin, end);
    log->clock = met;
    ready_.push_back(log);
  }
}

void Solver::work(SimLog& log, const SimOp& op, Nanoseconds begin,
                  Nanoseconds end) {
  check_touches(log, op);
  log.spans.push_back({op.name, begin, end});
  log.time = end;
  ++log.next;
  ++log.now.count;
}

void Solver::check_touches(SimLog& log, const SimOp& op) {
  SimRank& rank = state_.rank(log.rank);
  const Toucher who{{log.now.stream, log.now.count + 1}, op.name};
  for (std::uint32_t i = 0; i < op.touches; ++i) {
    const SimTouch& touch = log.touches[log.next_touch++];
    RaceCheck& check = touch.host ? rank.host_memory : rank.memory;
    std::optional<Owner> owner;
    if (touch.touch == Touch::kAllocate) owner = touch.owner;
    const auto conflict =
        check.touch(touch.range, touch.touch, who, log.clock, owner);
    if (conflict) throw race(state_, log, touch, who, *conflict);
  }
}

}  // namespace

void solve(SimState& state) {
  if (!state.gave_up.empty()) throw Error(Code::kPeerLost, state.gave_up);
  Solver(state).run();
}

}  // namespace cairn
