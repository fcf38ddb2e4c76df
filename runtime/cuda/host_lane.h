// The host's lane of a CUDA stream: a thread that does the stream's host work
// and, behind it, issues to CUDA what was enqueued meanwhile.
//
// A device that waited for the host could wait for ever: streams share its
// queues, so that the wait of one may hold back the work that another needs.
// Here only work whose turn has come is issued, and the device waits for
// nothing but work.
//
// Threads: one thread feeds a lane. Without host work it has no thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "runtime/cpu/cpu_stream.h"

namespace cairn {

class HostLane {
 public:
  // `device` is what the lane's thread talks to.
  HostLane(std::string name, int device)
      : name_(std::move(name)), device_(device) {}

  // Nothing is waiting: what comes next may be issued by who feeds the stream.
  bool idle() const { return pending_.load(std::memory_order_acquire) == 0; }

  // Runs `work`, which must not throw, after everything before it.
  template <typename Work>
  void enqueue(Work work) {
    if (!queue_) begin();
    pending_.fetch_add(1, std::memory_order_relaxed);
    queue_->enqueue_always([this, work = std::move(work)]() mutable {
      work();
      pending_.fetch_sub(1, std::memory_order_release);
    });
  }

  // Returns once the lane is idle.
  void settle() {
    if (!idle()) queue_->synchronize();
  }

 private:
  void begin();

  std::string name_;
  int device_;
  std::atomic<std::uint64_t> pending_ = 0;
  std::optional<CpuStream> queue_;
};

}  // namespace cairn
