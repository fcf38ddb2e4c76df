#include "runtime/cuda/pinned_memory.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "runtime/cuda/status.h"

namespace cairn {
namespace {

void* take(std::size_t bytes, const char* purpose) {
  void* address = nullptr;
  const cudaError_t status =
      cudaHostAlloc(&address, std::max(padded(bytes), kMemoryAlignment),
                    cudaHostAllocPortable);
  if (status == cudaSuccess) return address;
  static_cast<void>(cudaGetLastError());  // a full host is no lasting fault
  check(status, "locking ", std::to_string(bytes), " bytes of host memory for ",
        purpose);
  return nullptr;
}

}  // namespace

void* PinnedMemory::allocate(std::size_t bytes, Owner owner,
                             Stream& /*stream*/) {
  return take(bytes, name_of(owner));
}

void PinnedMemory::deallocate(void* address, std::size_t /*bytes*/,
                              Owner /*owner*/, Stream& /*stream*/) noexcept {
  static_cast<void>(cudaFreeHost(address));
}

void* PinnedHeap::do_allocate(std::size_t bytes, std::size_t /*alignment*/) {
  return take(bytes, "what steps copy");
}

void PinnedHeap::do_deallocate(void* address, std::size_t /*bytes*/,
                               std::size_t /*alignment*/) {
  static_cast<void>(cudaFreeHost(address));
}

}  // namespace cairn
