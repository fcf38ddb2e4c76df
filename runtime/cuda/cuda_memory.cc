#include "runtime/cuda/cuda_memory.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Pages of the host that nothing else lies on, all touched. Null: no room.
void* take_pages(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX - kHugePage) return nullptr;
  const std::size_t page = bytes < kHugePage ? kPage : kHugePage;
  const std::size_t whole = (std::max(bytes, page) + page - 1) / page * page;
  void* address = std::aligned_alloc(page, whole);
  if (address == nullptr) return nullptr;
  // A hint: a kernel without huge pages serves small ones.
  if (page == kHugePage) madvise(address, whole, MADV_HUGEPAGE);
  std::memset(address, 0, whole);
  return address;
}

}  // namespace

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

void* CudaHostMemory::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  cuda_native(stream);
  const std::string what =
      std::to_string(bytes) + " bytes of host memory for " + name_of(owner);
  void* address = take_pages(bytes);
  if (address == nullptr) {
    throw Error(Code::kOutOfMemory,
                "allocating " + what + ": there is no room");
  }
  const cudaError_t status = cudaHostRegister(
      address, std::max<std::size_t>(bytes, 1), cudaHostRegisterPortable);
  if (status == cudaSuccess) return address;
  static_cast<void>(cudaGetLastError());
  std::free(address);
  check(status, "locking the pages of " + what +
                    " (ulimit -l tells how much may be locked)");
  return nullptr;
}

void CudaHostMemory::deallocate(void* address, std::size_t /*bytes*/,
                                Owner /*owner*/, Stream& stream) noexcept {
  static_cast<void>(cudaStreamSynchronize(cuda_native(stream)));
  static_cast<void>(cudaHostUnregister(address));
  std::free(address);
}

}  // namespace cairn
