// A Watcher is one rank's thread that shows on the board that the rank lives,
// and looks whether the others of its host do.
//
// The rank that finds a loss first makes it the run's failure and writes one
// line about it to stderr; the others find the failure on the board. look(),
// blame() and tell() may be called from any thread. The board outlives the
// watcher.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parallel/watch/wait_board.h"

namespace cairn {

class Watcher {
 public:
  // `silence` is how long a live process may go without showing it.
  Watcher(WaitBoard& board, int place, std::chrono::milliseconds silence);
  ~Watcher();

  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Looks at the processes of the others now.
  void look();

  // A wait that came to no end, `what`, because of the ranks at `places`.
  void blame(const std::vector<int>& places, const std::string& what);

  // Makes `text` the run's failure and writes it to stderr. If there is one
  // already, returns once that is told.
  void tell(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;

  // The heartbeat of another as this watcher saw it. Of thread_.
  struct Pulse {
    std::uint64_t beats = 0;
    Clock::time_point changed;
  };

  void watch();
  void feel();
  std::string name_of(int place) const;

  WaitBoard& board_;
  int place_;
  std::chrono::milliseconds silence_;
  std::vector<Pulse> pulses_;
  // Milliseconds for which each has been silent, for who asks.
  std::vector<std::atomic<std::int64_t>> silent_ms_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;   // guarded by mutex_
  std::thread thread_;  // last: joined before the rest dies
};

}  // namespace cairn
