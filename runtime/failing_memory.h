// FailingMemory fails one allocation on command, for tests of what follows.
//
// Threads: as MemoryResource. The upstream resource outlives it.

#pragma once

#include <cstdint>

#include "runtime/memory.h"

namespace cairn {

class FailingMemory final : public MemoryResource {
 public:
  explicit FailingMemory(MemoryResource& upstream) : upstream_(upstream) {}

  // The nth allocation from now throws kOutOfMemory, once; 1 is the next, 0
  // takes the command back.
  void fail_at(std::uint64_t nth) { left_ = nth; }

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

 private:
  MemoryResource& upstream_;
  std::uint64_t left_ = 0;
};

}  // namespace cairn
