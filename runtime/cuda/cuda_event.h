// Events of a CUDA device, the pool that their native ones come from, and the
// failures of host work that they hand on.

#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/cuda/handle.h"
#include "runtime/stream.h"

namespace cairn {

class CudaEvent;

// Which host work of a stream failed, and whose failures it inherits. Work is
// numbered in the order of the stream. Kernels fail the device, not a stream:
// a mark behind which nothing else is pending is clean, and costs those that
// wait for it nothing. Threads: any.
class FailureLog {
 public:
  struct Mark {
    std::uint64_t number;
    bool clean;  // nothing before it can fail any more
  };
  Mark mark();

  // Work of the host that is pending until end(): its number, which is a new
  // one or that of the work before it.
  std::uint64_t begin(bool anew);
  void end();
  // A number of which somebody may say at any time that it failed.
  std::uint64_t open();
  void fail(std::uint64_t number, std::exception_ptr failure);
  void inherit(std::shared_ptr<CudaEvent> event);

  // The failure of work with at most that number, or none. That work is over.
  std::exception_ptr until(std::uint64_t number);
  void forget();

 private:
  struct Source {
    std::uint64_t number;
    std::shared_ptr<CudaEvent> event;
  };
  static constexpr std::size_t kFew = 16;

  std::vector<Source> sources_until(std::uint64_t number);
  void drop_clean_sources();

  std::mutex mutex_;
  std::uint64_t number_ = 0;
  std::int64_t pending_ = 0;
  bool open_ = false;
  std::uint64_t failed_ = 0;  // number of the work that failed
  std::exception_ptr failure_;
  std::vector<Source> sources_;  // by number; those found clean are dropped
  std::size_t many_ = kFew;      // sources at which to look for clean ones
};

// Native events of one kind to take and to give back, since making them is
// dear. Holds what was given back. Threads: any.
class EventPool {
 public:
  using Native = Handle<cudaEvent_t, cudaEventDestroy>;

  explicit EventPool(unsigned flags) : flags_(flags) {}

  Native take();
  void give(Native event) noexcept;

 private:
  unsigned flags_;
  std::mutex mutex_;
  std::vector<Native> free_;
  std::size_t made_ = 0;
};

class CudaEvent final : public Event {
 public:
  CudaEvent(std::shared_ptr<FailureLog> log, std::shared_ptr<EventPool> pool);
  ~CudaEvent() override { pool_->give(std::move(event_)); }

  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  // Marks the end of what was issued to `stream`. Until then nobody can wait
  // for it on a device, only for await_issue.
  void issue(cudaStream_t stream);
  bool issued() const { return issued_.load(std::memory_order_acquire) != 0; }
  void await_issue() const { issued_.wait(0, std::memory_order_acquire); }

  bool reached() const override;
  void synchronize() override;
  double seconds_since(const Event& earlier) const override;

  cudaEvent_t native() const { return event_.get(); }
  bool clean() const { return mark_.clean; }
  // Of what it marks; it was reached.
  std::exception_ptr failure() const {
    return clean() ? nullptr : log_->until(mark_.number);
  }

 private:
  std::shared_ptr<FailureLog> log_;
  std::shared_ptr<EventPool> pool_;
  FailureLog::Mark mark_;
  EventPool::Native event_;
  std::atomic<std::uint32_t> issued_ = 0;
};

}  // namespace cairn
