// Streams and events of a CUDA device. Kernels fail the device for good, and
// every later call says so; host work that throws fails its own stream and
// those that wait for it. Kernels behind failed host work still run: what they
// make is never looked at, since synchronize throws.
//
// Host work may wait for as long as it likes, for other ranks too: a thread of
// the stream does it (host_lane.h). Behind host work that is not over, marks,
// waits and copies are only queued, and who enqueues a kernel waits.

#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/cuda/handle.h"
#include "runtime/cuda/host_lane.h"
#include "runtime/cuda_place.h"
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

class CudaStream final : public Stream {
 public:
  CudaStream(std::string name, int device);
  ~CudaStream() override;

  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  Device device() const override { return {Device::Kind::kCuda, device_}; }
  const std::string& name() const override { return name_; }
  std::shared_ptr<Event> record() override;
  void wait(std::shared_ptr<Event> event) override;
  void enqueue_host(std::function<void()> work) override;
  void synchronize() override;

  // Everything enqueued so far is issued when it returns.
  cudaStream_t native() {
    lane_.settle();
    return stream_.get();
  }

  // The end of the stream, for a library that enqueues there itself.
  CudaPlace place();

  // Calls `call` with CUDA's stream, now or when its turn comes; what it throws
  // fails the stream.
  template <typename Call>
  void issue(Call call) {
    if (lane_.idle()) return call(stream_.get());
    queue([this, call = std::move(call)] { call(stream_.get()); });
  }

 private:
  void queue(std::function<void()> work);
  void perform(std::uint64_t number, const std::function<void()>& work);

  std::string name_;
  int device_;
  std::shared_ptr<FailureLog> log_;
  std::shared_ptr<EventPool> marks_;
  std::shared_ptr<EventPool> blocking_;  // whose waits let the processor go
  Handle<cudaStream_t, cudaStreamDestroy> stream_;
  HostLane lane_;  // last: it ends before what it works on
};

// The stream as this body's; its one downcast. Throws kBadArgument, naming the
// device, when it is another's.
CudaStream& cuda_stream(Stream& stream);

// The stream as CUDA's own.
inline cudaStream_t cuda_native(Stream& stream) {
  return cuda_stream(stream).native();
}

}  // namespace cairn
