#include "runtime/cuda/cuda_backend.h"

#include <cuda_runtime_api.h>

#include <cstdlib>

#include "runtime/cuda/cuda_kernels.h"
#include "runtime/cuda/cuda_memory.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

class CudaBackend final : public Backend {
 public:
  CudaBackend(int device, const BackendOptions& options)
      : device_(device), deterministic_(options.deterministic) {
    check(cudaSetDevice(device), "choosing " + to_text(this->device()));
  }

  Device device() const override { return {Device::Kind::kCuda, device_}; }
  std::unique_ptr<Stream> make_stream(const std::string& name) override {
    return std::make_unique<CudaStream>(name, device_);
  }
  MemoryResource& memory() override { return memory_; }
  MemoryResource& host_memory() override { return host_memory_; }
  std::size_t workspace_bytes() const override {
    return cuda_workspace_bytes();
  }
  std::unique_ptr<Kernels> make_kernels(const TensorView& workspace) override {
    return make_cuda_kernels(workspace, deterministic_);
  }

  // From or to pageable memory the driver copies through a buffer of its own.
  void upload(Stream& stream, const TensorView& to, const void* from) override {
    copy(stream, to.data, from, to.bytes());
  }
  void download(Stream& stream, void* to, const TensorView& from) override {
    copy(stream, to, from.data, from.bytes());
  }

 private:
  static void copy(Stream& stream, void* to, const void* from,
                   std::size_t bytes) {
    if (bytes == 0) return;
    cuda_stream(stream).issue([&stream, to, from, bytes](cudaStream_t native) {
      const cudaError_t status =
          cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, native);
      if (status == cudaSuccess) return;
      check(status, "copying " + std::to_string(bytes) + " bytes on stream " +
                        stream.name());
    });
  }

  int device_;
  bool deterministic_;
  CudaMemory memory_;
  CudaHostMemory host_memory_;
};

}  // namespace

bool cuda_is_built() { return true; }

// This is what first wakes the driver, which then reads how many queues a
// device is to have: 8 if nobody says. Streams share them, and one that waits
// for another rank holds back those that share its queue.
int cuda_devices() {
  setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", /*replace=*/0);
  int count = 0;
  const bool works = cudaGetDeviceCount(&count) == cudaSuccess;
  static_cast<void>(cudaGetLastError());
  return works ? count : 0;
}

std::unique_ptr<Backend> make_cuda_backend(const BackendOptions& options) {
  const int devices = cuda_devices();
  if (devices > 0) {
    return std::make_unique<CudaBackend>(options.device % devices, options);
  }
  throw Error(Code::kBadArgument,
              "the backend 'cuda' was asked for, and no CUDA device was found; "
              "nvidia-smi lists those that the driver knows");
}

}  // namespace cairn
