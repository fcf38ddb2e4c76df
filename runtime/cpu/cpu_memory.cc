#include "runtime/cpu/cpu_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <string>

#include "runtime/cpu/cpu_stream.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void* CpuMemory::allocate(std::size_t bytes, Owner owner, Stream& /*stream*/) {
  const bool large = bytes >= kHugePage;
  const std::size_t alignment = large ? kHugePage : kMemoryAlignment;
  const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
  void* address = std::aligned_alloc(alignment, size == 0 ? alignment : size);
  if (address == nullptr) {
    throw Error(Code::kOutOfMemory, "the host has no " + std::to_string(bytes) +
                                        " bytes for " + name_of(owner));
  }
  if (large) static_cast<void>(madvise(address, size, MADV_HUGEPAGE));
  return address;
}

void CpuMemory::deallocate(void* address, std::size_t /*bytes*/,
                           Owner /*owner*/, Stream& stream) noexcept {
  cpu_native(stream).enqueue([address] { std::free(address); });
}

}  // namespace cairn
