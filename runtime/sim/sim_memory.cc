#include "runtime/sim/sim_memory.h"

#include <algorithm>

namespace cairn {

void* SimMemory::allocate(std::size_t bytes, Owner /*owner*/,
                          Stream& /*stream*/) {
  const std::uintptr_t address = next_;
  next_ += std::max(padded(bytes), kMemoryAlignment);
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace cairn
