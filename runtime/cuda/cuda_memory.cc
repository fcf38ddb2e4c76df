#include "runtime/cuda/cuda_memory.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {

void* CudaMemory::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  cuda_native(stream);
  void* address = nullptr;
  const cudaError_t status =
      cudaMalloc(&address, std::max(padded(bytes), kMemoryAlignment));
  if (status == cudaSuccess) return address;
  static_cast<void>(cudaGetLastError());  // a full device is no lasting fault
  std::size_t free = 0;
  std::size_t total = 0;
  static_cast<void>(cudaMemGetInfo(&free, &total));
  check(status, "allocating " + std::to_string(bytes) + " bytes of " +
                    to_text(stream.device()) + " for " + name_of(owner) +
                    ", where " + std::to_string(free) + " of " +
                    std::to_string(total) + " bytes are free");
  return nullptr;
}

void CudaMemory::deallocate(void* address, std::size_t /*bytes*/,
                            Owner /*owner*/, Stream& stream) noexcept {
  cuda_native(stream);  // CUDA waits only for what was issued
  static_cast<void>(cudaFree(address));
}

}  // namespace cairn
