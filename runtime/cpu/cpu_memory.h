// Host memory for the CPU backend. Large blocks are aligned to huge pages and
// ask for them, since matrix products walk all of them.
//
// Giving bytes back is work on the stream: they are freed once everything that
// was enqueued before has run.

#pragma once

#include "runtime/memory.h"

namespace cairn {

class CpuMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;
};

}  // namespace cairn
