#include "runtime/sim.h"

#include <algorithm>
#include <utility>

#include "runtime/error.h"
#include "runtime/sim/sim_backend.h"
#include "runtime/sim/sim_memory.h"
#include "runtime/sim/sim_state.h"

namespace cairn {

SimMachine::SimMachine(CostModel costs)
    : state_(std::make_unique<SimState>(std::move(costs))) {}

SimMachine::~SimMachine() = default;

std::unique_ptr<Backend> SimMachine::make_backend(int rank,
                                                  std::size_t workspace_bytes) {
  return std::make_unique<SimBackend>(*state_, rank, workspace_bytes);
}

std::unique_ptr<MemoryResource> SimMachine::make_memory(
    int rank, MemoryResource& upstream) {
  return std::make_unique<RecordingMemory>(*state_, rank, upstream);
}

void SimMachine::add_phantoms(const std::vector<int>& ranks) {
  state_->phantoms.insert(ranks.begin(), ranks.end());
}

int SimMachine::join(int rank, const std::string& name,
                     const std::vector<int>& ranks) {
  if (std::find(ranks.begin(), ranks.end(), rank) == ranks.end()) {
    throw Error(Code::kBadArgument, "rank " + std::to_string(rank) +
                                        " makes group " + name +
                                        ", to which it does not belong");
  }
  const auto call = std::make_pair(name, ranks);
  std::vector<int>& made = state_->made[call];
  const auto nth = static_cast<std::size_t>(state_->joined[{rank, call}]++);
  if (nth == made.size()) {
    made.push_back(static_cast<int>(state_->groups.size()));
    SimGroup group;
    group.name = name;
    group.ranks = ranks;
    group.streams.resize(ranks.size());
    group.come.resize(ranks.size());
    state_->groups.push_back(std::move(group));
  }
  return made[nth];
}

void SimMachine::enqueue(Stream& stream, const SimPart& part) {
  const SimGroup& group =
      state_->groups.at(static_cast<std::size_t>(part.group));
  const int rank = group.ranks.at(static_cast<std::size_t>(part.rank));
  const auto members = static_cast<int>(group.ranks.size());
  const bool is_transfer =
      part.kind == Exchange::kSend || part.kind == Exchange::kReceive;
  if (part.peer < 0 || part.peer >= members ||
      (is_transfer && part.peer == part.rank)) {
    throw Error(Code::kBadArgument,
                std::string(name_of(part.kind)) + " by member " +
                    std::to_string(part.rank) + " of group " + group.name +
                    " names member " + std::to_string(part.peer) +
                    " as the other, of " + std::to_string(members));
  }
  state_->push_part(sim_native(stream, rank), part);
}

void SimMachine::abort(int rank, const std::string& why) noexcept {
  if (!state_->gave_up.empty()) return;
  state_->gave_up = "rank " + std::to_string(rank) + " gave up: " + why;
}

void SimMachine::solve() { cairn::solve(*state_); }

std::chrono::nanoseconds SimMachine::end(int rank) const {
  Nanoseconds end{0};
  for (const auto& log : state_->logs) {
    if (log->rank == rank) end = std::max(end, log->time);
  }
  return end;
}

std::vector<SimTrack> SimMachine::take_tracks() {
  std::vector<SimTrack> tracks;
  for (const auto& log : state_->logs) {
    if (log->spans.empty()) continue;
    SimTrack track{log->rank, log->name, {}};
    for (const SimLog::Span& span : log->spans) {
      track.spans.push_back({state_->names[static_cast<std::size_t>(span.name)],
                             span.begin, span.end});
    }
    log->spans.clear();
    tracks.push_back(std::move(track));
  }
  return tracks;
}

const std::vector<SimKernel>& SimMachine::kernels() const {
  return state_->kernels;
}

void SimMachine::skip_wait(int rank, int n) {
  SimRank& mine = state_->rank(rank);
  require(n >= static_cast<int>(mine.waits.size()),
          "a wait is skipped before it is enqueued");
  mine.skipped.insert(n);
}

const std::vector<SimWait>& SimMachine::waits(int rank) const {
  return state_->rank(rank).waits;
}

}  // namespace cairn
