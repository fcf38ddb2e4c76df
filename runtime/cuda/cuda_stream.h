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
// numbered in the order of the stream. Threads: any.
class FailureLog {
 public:
  std::uint64_t count();  // the number of the next piece of work
  std::uint64_t now();
  void inherit(std::shared_ptr<CudaEvent> event);
  void fail(std::uint64_t number, std::exception_ptr failure);
  // The failure of work with at most that number, or none.
  std::exception_ptr until(std::uint64_t number);
  void forget();

 private:
  struct Source {
    std::uint64_t number;
    std::shared_ptr<CudaEvent> event;
  };

  std::mutex mutex_;
  std::uint64_t number_ = 0;
  std::uint64_t failed_ = 0;  // number of the work that failed
  std::exception_ptr failure_;
  std::vector<Source> sources_;
};

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(std::shared_ptr<FailureLog> log,
                     unsigned flags = cudaEventDefault);

  // Marks the end of what was issued to `stream`. Until then nobody can wait
  // for it on a device, only for await_issue.
  void issue(cudaStream_t stream);
  bool issued() const { return issued_.load(std::memory_order_acquire) != 0; }
  void await_issue() const { issued_.wait(0, std::memory_order_acquire); }

  bool reached() const override;
  void synchronize() override;
  double seconds_since(const Event& earlier) const override;

  cudaEvent_t native() const { return event_.get(); }
  std::exception_ptr failure() const { return log_->until(number_); }

 private:
  Handle<cudaEvent_t, cudaEventDestroy> event_;
  std::shared_ptr<FailureLog> log_;
  std::uint64_t number_;
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
