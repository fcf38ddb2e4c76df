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
  CudaEvent(cudaStream_t stream, std::shared_ptr<FailureLog> log);

  bool reached() const override;
  void synchronize() override;
  double seconds_since(const Event& earlier) const override;

  cudaEvent_t native() const { return event_.get(); }
  std::exception_ptr failure() const { return log_->until(number_); }

 private:
  Handle<cudaEvent_t, cudaEventDestroy> event_;
  std::shared_ptr<FailureLog> log_;
  std::uint64_t number_;
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
  Handle<cudaStream_t, cudaStreamDestroy> stream_;
};

// The stream as CUDA's own; the one downcast of this body. Throws kBadArgument,
// naming the device, when it is another's.
cudaStream_t cuda_native(Stream& stream);

}  // namespace cairn
