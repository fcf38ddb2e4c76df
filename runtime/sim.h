// A SimMachine pretends to be the devices of many ranks, so that the code that
// trains can be run without them. What it enqueues is only recorded; solve()
// then plays every stream of every rank in virtual time. It finds how long a
// step takes, what waits for ever, and what touches memory without order.
//
// The ranks are run one after the other, to the end, before solve(). In the
// meantime no host waits: marks count as reached at once, and hold back what
// their rank enqueues after synchronizing with them.
//
// Errors: kBadArgument from solve, in words; the machine is of no further use
// then. Threads: one at a time. The machine outlives all that it made, and all
// that was enqueued may be gone before solve().

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/backend.h"
#include "runtime/cost.h"

namespace cairn {

struct SimState;  // runtime/sim/

// One rank's part in what a group does together.
struct SimPart {
  Exchange kind = Exchange::kBarrier;
  int group = 0;    // as join() numbered it
  int rank = 0;     // this end's index in the group
  int peer = 0;     // the root's, or the other end's
  TensorView from;  // what is read, or none
  TensorView to;    // what is set, or none; all_reduce: both are x
};

// What a stream did when; streams may be of the same name.
struct SimTrack {
  struct Span {
    std::string name;
    std::chrono::nanoseconds begin{};
    std::chrono::nanoseconds end{};
  };

  int rank = 0;
  std::string stream;
  std::vector<Span> spans;
};

// An operation that kernels were called for, and how often.
struct SimKernel {
  std::string key;  // key_of(op)
  KernelOp op;      // the first of its key, with pretended addresses
  std::int64_t calls = 0;
};

// A call of Stream::wait.
struct SimWait {
  std::string waiter;    // "rank 0, stream compute"
  std::string recorder;  // of the event
  // Whether it gave an order, when played, that did not hold already.
  bool ordered = false;
};

class SimMachine {
 public:
  explicit SimMachine(CostModel costs);
  ~SimMachine();

  SimMachine(const SimMachine&) = delete;
  SimMachine& operator=(const SimMachine&) = delete;

  // One for each rank. Kernels made by it take turns with their workspace, as
  // real ones do: two streams may not use them without order.
  std::unique_ptr<Backend> make_backend(int rank, std::size_t workspace_bytes);

  // Memory that records its use, on top of all others: of an arena, a ledger.
  // Giving out and giving back then count as writing.
  std::unique_ptr<MemoryResource> make_memory(int rank,
                                              MemoryResource& upstream);

  // Ranks that nobody runs, since they do as others do: data-parallel replicas.
  // What their groups do together begins without them and costs as with them.
  // Nothing can be sent to them.
  void add_phantoms(const std::vector<int>& ranks);

  // Makes a group, or joins the one that another rank made by the same calls;
  // returns its number.
  int join(int rank, const std::string& name, const std::vector<int>& ranks);
  void enqueue(Stream& stream, const SimPart& part);

  // The next solve() throws kPeerLost with these words.
  void abort(int rank, const std::string& why) noexcept;

  // Plays all that was enqueued since the last time.
  void solve();

  // When the rank's last stream was done, from the machine's beginning.
  std::chrono::nanoseconds end(int rank) const;
  // Every stream that did something since the last call.
  std::vector<SimTrack> take_tracks();
  // Distinct by key, in the order of their first calls.
  const std::vector<SimKernel>& kernels() const;

  // To test programs by taking an order out of them: the n-th wait (from 0)
  // that the rank enqueues, from the machine's beginning, will be ignored.
  void skip_wait(int rank, int n);
  // All that the rank enqueued so far, also ignored ones.
  const std::vector<SimWait>& waits(int rank) const;

 private:
  std::unique_ptr<SimState> state_;
};

}  // namespace cairn
