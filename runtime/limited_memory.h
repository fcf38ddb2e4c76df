// LimitedMemory refuses what would go beyond a budget of padded() bytes.
//
// Threads: as MemoryResource. The upstream resource outlives it.

#pragma once

#include <cstddef>

#include "runtime/memory.h"

namespace cairn {

class LimitedMemory final : public MemoryResource {
 public:
  LimitedMemory(MemoryResource& upstream, std::size_t budget_bytes)
      : upstream_(upstream), budget_bytes_(budget_bytes) {}

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

  std::size_t in_use() const { return in_use_; }

 private:
  MemoryResource& upstream_;
  std::size_t budget_bytes_;
  std::size_t in_use_ = 0;
};

}  // namespace cairn
