// The memory of the host as a device's: stream-ordered, aligned, on huge pages
// where there is much of it.

#pragma once

#include "runtime/memory.h"

namespace cairn {

class CpuMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  // Frees once the stream has passed what is enqueued now.
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;
};

}  // namespace cairn
