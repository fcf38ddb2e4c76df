// Device memory, taken in whole blocks for an arena to serve from. Giving a
// block back waits for the device, since work may still use it.

#pragma once

#include "runtime/memory.h"

namespace cairn {

class CudaMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;
};

}  // namespace cairn
