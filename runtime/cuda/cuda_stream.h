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

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "runtime/cuda/cuda_event.h"
#include "runtime/cuda/handle.h"
#include "runtime/cuda/host_lane.h"
#include "runtime/cuda_place.h"
#include "runtime/stream.h"

namespace cairn {

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
