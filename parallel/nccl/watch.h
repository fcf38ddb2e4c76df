// A NcclWatch looks whether a rank's communicators get on, since nobody waits
// for what is enqueued on a device: a thread of its own polls them, and the
// other ranks' failures. The first failure it finds, or is told of, ends every
// communicator of the rank.
//
// Threads: any may call anything. The host's world outlives it.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/communicator.h"

namespace cairn {

// What is watched.
class Watched {
 public:
  virtual ~Watched() = default;

  // What went wrong, if anything.
  virtual std::optional<std::string> look() = 0;

  // Ends what is under way and all that comes.
  virtual void end(const std::string& cause) = 0;
};

class NcclWatch {
 public:
  explicit NcclWatch(World& host);
  ~NcclWatch();

  NcclWatch(const NcclWatch&) = delete;
  NcclWatch& operator=(const NcclWatch&) = delete;

  void add(Watched& each);
  void remove(Watched& each);

  // The failure that ended the communicators.
  std::optional<std::string> failure() const;

  // Why not to wait any longer, if so: the same, or a failure of the run that
  // is yet to end them.
  std::optional<std::string> cause() const;

  // Ends the communicators now if the run has failed.
  void look_now();

 private:
  void watch();
  void look();
  void fail(const std::string& cause);

  World& host_;
  std::atomic<bool> failed_ = false;
  mutable std::mutex cause_mutex_;
  std::string cause_;  // guarded by cause_mutex_
  std::mutex mutex_;   // taken before cause_mutex_
  std::condition_variable changed_;
  std::vector<Watched*> all_;  // guarded by mutex_
  bool stop_ = false;          // guarded by mutex_
  std::thread thread_;         // last: joined before the rest dies
};

}  // namespace cairn
