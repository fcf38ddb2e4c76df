#include "runtime/cuda/pinned_memory.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "runtime/cuda/status.h"

namespace cairn {

void* PinnedMemory::allocate(std::size_t bytes, Owner owner,
                             Stream& /*stream*/) {
  void* address = nullptr;
  const cudaError_t status =
      cudaHostAlloc(&address, std::max(padded(bytes), kMemoryAlignment),
                    cudaHostAllocPortable);
  if (status == cudaSuccess) return address;
  static_cast<void>(cudaGetLastError());  // a full host is no lasting fault
  check(status, "locking " + std::to_string(bytes) +
                    " bytes of host memory for " + name_of(owner));
  return nullptr;
}

void PinnedMemory::deallocate(void* address, std::size_t /*bytes*/,
                              Owner /*owner*/, Stream& /*stream*/) noexcept {
  static_cast<void>(cudaFreeHost(address));
}

}  // namespace cairn
