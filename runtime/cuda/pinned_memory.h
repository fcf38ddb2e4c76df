// Host memory that is locked in place, so that copies between it and a device
// run at the rate of the link and keep nobody waiting.

#pragma once

#include "runtime/memory.h"

namespace cairn {

// Taking and giving back wait for the device: neither is for within a step.
class PinnedMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;
};

}  // namespace cairn
