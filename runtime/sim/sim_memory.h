// Memory without end that nobody may touch: addresses are aligned, never null,
// and never given out twice.

#pragma once

#include <cstdint>

#include "runtime/memory.h"

namespace cairn {

class SimMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* /*address*/, std::size_t /*bytes*/, Owner /*owner*/,
                  Stream& /*stream*/) noexcept override {}

 private:
  std::uintptr_t next_ = kMemoryAlignment;
};

}  // namespace cairn
