#include "runtime/sim/sim_memory.h"

#include <algorithm>

namespace cairn {

void* SimMemory::allocate(std::size_t bytes, Owner /*owner*/,
                          Stream& /*stream*/) {
  const std::uintptr_t address = next_;
  next_ += std::max(padded(bytes), kMemoryAlignment);
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

// What waits the upstream resource needs come before the allocation.
void* RecordingMemory::allocate(std::size_t bytes, Owner owner,
                                Stream& stream) {
  void* address = upstream_.allocate(bytes, owner, stream);
  state_.push_memory(sim_native(stream, rank_),
                     touch_of(address, bytes, Touch::kAllocate, owner));
  return address;
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
