// What a SimMachine holds: for every stream what was enqueued and how far it
// has been played; for every rank its memory and what its host waited for.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/sim.h"
#include "runtime/sim/clock.h"
#include "runtime/sim/race_check.h"
#include "runtime/sim/sim_stream.h"

namespace cairn {

using Nanoseconds = std::chrono::nanoseconds;

// An access to a rank's memory, or to the host's.
struct SimTouch {
  ByteRange range;
  Touch touch = Touch::kRead;
  bool host = false;
  Owner owner = Owner::kData;  // with kAllocate
};

struct SimOp {
  enum class Kind : std::uint8_t {
    kWork,  // touches memory and takes time: kernels, copies
    kExchange,
    kRecord,
    kWait,
    kMemory,  // gives memory out or back, in no time
  };
  Kind kind = Kind::kWork;
  std::int32_t name = 0;      // in SimState::names
  std::uint32_t touches = 0;  // how many of the stream's are its own
  std::uint32_t syncs = 0;    // that the rank's host made before
  std::uint32_t index = 0;    // exchange: in `parts`; wait: among the rank's
  Nanoseconds duration{0};
  Nanoseconds issued{0};  // when the host had enqueued it, after its last sync
  std::shared_ptr<SimEvent> event;  // recorded, or waited for
};

struct SimExchange {
  Exchange kind = Exchange::kBarrier;
  int group = 0;
  int rank = 0;  // in the group
  int peer = 0;
  std::size_t bytes = 0;
};

struct SimLog {
  struct Span {
    int name = 0;
    Nanoseconds begin{0};
    Nanoseconds end{0};
  };

  int rank = 0;
  std::string name;
  std::vector<SimOp> ops;
  std::vector<SimTouch> touches;
  std::vector<SimExchange> parts;
  std::size_t next = 0;        // of ops
  std::size_t next_touch = 0;  // of touches
  Nanoseconds time{0};
  Moment now;  // what was played
  Clock clock;
  std::uint32_t syncs = 0;  // of the host, that the stream knows of
  std::vector<Span> spans;
};

struct SimSync {
  std::shared_ptr<SimEvent> event;
  Nanoseconds issued{0};  // what the host enqueued since the sync before
  Clock clock;            // what the host knew from then on
  Nanoseconds time{0};
};

struct SimRank {
  std::vector<SimSync> syncs;
  Nanoseconds issued{0};      // what the host enqueued since the last
  std::size_t synced = 0;     // syncs that are over
  std::vector<SimLog*> held;  // streams that wait for the next
  std::vector<SimWait> waits;
  std::set<int> skipped;
  RaceCheck memory;
  RaceCheck host_memory;
};

struct SimGroup {
  std::string name;
  std::vector<int> ranks;
  int present = 0;               // members that are not phantoms, when known
  std::vector<SimLog*> streams;  // by member: the one it uses
  std::vector<SimLog*> come;     // by member: at an exchange, or null
};

struct SimState {
  explicit SimState(CostModel model) : costs(std::move(model)) {}

  int name_of(const std::string& text);
  static std::string text_of(const SimLog& log);  // "rank 0, stream compute"
  SimRank& rank(int number) { return ranks[number]; }
  SimLog& make_log(int rank, const std::string& name);

  // Append to a stream what it shall do.
  SimOp& push(SimLog& log, SimOp::Kind kind, int name);
  void push_kernel(SimLog& log, const KernelOp& op,
                   const TensorView& workspace);
  void push_copy(SimLog& log, const TensorView& device, const void* host,
                 bool upload);
  void push_memory(SimLog& log, const SimTouch& touch);
  void push_part(SimLog& log, const SimPart& part);
  std::shared_ptr<SimEvent> push_record(SimLog& log, Nanoseconds duration);
  void push_wait(SimLog& log, std::shared_ptr<SimEvent> event);
  void synchronize(int rank, std::shared_ptr<SimEvent> event);

  void touch(SimLog& log, const TensorView& view, Touch touch);
  int kernel_of(const KernelOp& op);

  CostModel costs;
  bool solves_when_synchronized = false;  // a machine of one rank may
  std::vector<std::unique_ptr<SimLog>> logs;
  std::map<int, SimRank> ranks;
  std::set<int> phantoms;
  std::vector<SimGroup> groups;
  // The groups made by equal calls, in order, and how many a rank joined.
  std::map<std::pair<std::string, std::vector<int>>, std::vector<int>> made;
  std::map<std::pair<int, std::pair<std::string, std::vector<int>>>, int>
      joined;
  std::vector<std::string> names;
  std::unordered_map<std::string, int> name_numbers;
  std::vector<SimKernel> kernels;
  std::vector<Nanoseconds> kernel_times;
  std::unordered_map<std::string, int> kernel_numbers;
  std::string gave_up;  // why a rank aborted
};

// Plays everything that is enqueued. Throws as SimMachine::solve.
void solve(SimState& state);

}  // namespace cairn
