#include "runtime/cpu/cpu_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "runtime/cpu/cpu_stream.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

void* take(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX - kHugePage) return nullptr;
  if (bytes < kHugePage) {
    return std::aligned_alloc(kMemoryAlignment,
                              std::max(padded(bytes), kMemoryAlignment));
  }
  const std::size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* address = std::aligned_alloc(kHugePage, whole);
  // A hint: a kernel without huge pages serves small ones.
  if (address != nullptr) madvise(address, whole, MADV_HUGEPAGE);
  return address;
}

}  // namespace

void* CpuMemory::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  cpu_native(stream);
  if (void* address = take(bytes)) return address;
  throw Error(Code::kOutOfMemory, "allocating " + std::to_string(bytes) +
                                      " bytes of host memory for " +
                                      name_of(owner) + ": there is no room");
}

void CpuMemory::deallocate(void* address, std::size_t /*bytes*/,
                           Owner /*owner*/, Stream& stream) noexcept {
  cpu_native(stream).enqueue_always([address] { std::free(address); });
}

}  // namespace cairn
