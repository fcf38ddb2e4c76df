#include "runtime/sim/sim_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "runtime/error.h"

namespace cairn {

void* SimMemory::allocate(std::size_t bytes, Owner /*owner*/,
                          Stream& /*stream*/) {
  const std::uintptr_t address = next_;
  next_ += std::max(padded(bytes), kMemoryAlignment);
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

void* SimHostMemory::allocate(std::size_t bytes, Owner owner,
                              Stream& /*stream*/) {
  void* address =
      mmap(nullptr, std::max(bytes, kMemoryAlignment), PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address != MAP_FAILED) return address;
  throw Error(Code::kOutOfMemory,
              "reserving " + std::to_string(bytes) +
                  " bytes of host memory for " + name_of(owner) +
                  " of a plan: there are no addresses left");
}

void SimHostMemory::deallocate(void* address, std::size_t bytes,
                               Owner /*owner*/, Stream& /*stream*/) noexcept {
  munmap(address, std::max(bytes, kMemoryAlignment));
}

// What waits the upstream resource needs come before the allocation.
void* RecordingMemory::allocate(std::size_t bytes, Owner owner,
                                Stream& stream) {
  void* address = upstream_.allocate(bytes, owner, stream);
  record(address, bytes, owner, stream);
  return address;
}

void* RecordingMemory::allocate_at(void* address, std::size_t bytes,
                                   Owner owner, Stream& stream) {
  void* given = upstream_.allocate_at(address, bytes, owner, stream);
  record(given, bytes, owner, stream);
  return given;
}

void RecordingMemory::record(const void* address, std::size_t bytes,
                             Owner owner, Stream& stream) {
  state_.push_memory(sim_native(stream, rank_),
                     touch_of(address, bytes, Touch::kAllocate, owner));
}

void RecordingMemory::deallocate(void* address, std::size_t bytes, Owner owner,
                                 Stream& stream) noexcept {
  state_.push_memory(sim_native(stream, rank_),
                     touch_of(address, bytes, Touch::kFree, owner));
  upstream_.deallocate(address, bytes, owner, stream);
}

SimTouch RecordingMemory::touch_of(const void* address, std::size_t bytes,
                                   Touch touch, Owner owner) {
  return {{reinterpret_cast<std::uintptr_t>(address), bytes},
          touch,
          /*host=*/false,
          owner};
}

}  // namespace cairn
