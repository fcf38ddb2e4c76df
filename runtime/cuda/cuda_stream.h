// Streams and events of a CUDA device. Kernels fail the device for good, and
// every later call says so; host work that throws fails its own stream and
// those that wait for it. Kernels behind failed host work still run: what they
// make is never looked at, since synchronize throws.

#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/cuda/handle.h"
#include "runtime/stream.h"

namespace cairn {

class CudaEvent;

// Which host work of a stream failed, and whose failures it inherits. Work is
// numbered in the order of the stream. Kernels fail the device, not a stream:
// a mark behind which no host work was ever pending is clean at once, and
// costs those that wait for it nothing. Threads: any.
class FailureLog {
 public:
  struct Mark {
    std::uint64_t number;
    bool clean;  // nothing before it can fail any more
  };
  Mark mark();

  std::uint64_t begin();  // of host work: its number
  void end();             // of the work that began first
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

  std::vector<Source> sources_until(std::uint64_t number);
  void drop_clean_sources();

  std::mutex mutex_;
  std::uint64_t number_ = 0;
  std::int64_t pending_ = 0;  // host work that began and has not ended
  std::uint64_t failed_ = 0;  // number of the work that failed
  std::exception_ptr failure_;
  std::vector<Source> sources_;  // by number; those found clean are dropped
  std::size_t many_ = kFew;      // sources at which to look for clean ones

  static constexpr std::size_t kFew = 16;
};

// Native events to take and to give back, since making them is dear. Holds what
// was given back. Threads: any.
class EventPool {
 public:
  using Native = Handle<cudaEvent_t, cudaEventDestroy>;

  Native take();
  void give(Native event) noexcept;

 private:
  std::mutex mutex_;
  std::vector<Native> free_;
  std::size_t made_ = 0;
};

class CudaEvent final : public Event {
 public:
  CudaEvent(cudaStream_t stream, std::shared_ptr<FailureLog> log,
            std::shared_ptr<EventPool> pool);
  ~CudaEvent() override { pool_->give(std::move(event_)); }

  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

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

  cudaStream_t native() const { return stream_.get(); }

 private:
  std::string name_;
  int device_;
  std::shared_ptr<FailureLog> log_;
  std::shared_ptr<EventPool> pool_;
  Handle<cudaStream_t, cudaStreamDestroy> stream_;
};

// The stream as CUDA's own; the one downcast of this body. Throws kBadArgument,
// naming the device, when it is another's.
cudaStream_t cuda_native(Stream& stream);

}  // namespace cairn
