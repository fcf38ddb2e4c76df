// Decorators that refuse: beyond a budget, or on command. "Does it fit in
// 8 GiB?" and "what if the tenth allocation fails?" are tests on a laptop.

#pragma once

#include <cstdint>

#include "runtime/memory.h"

namespace cairn {

// Refuses, with kOutOfMemory, what would raise the bytes in use over `budget`.
class LimitedMemory final : public MemoryResource {
 public:
  LimitedMemory(MemoryResource& upstream, std::size_t budget)
      : upstream_(upstream), budget_(budget) {}

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

 private:
  MemoryResource& upstream_;
  std::size_t budget_;
  std::size_t in_use_ = 0;
};

// Refuses the allocation that fail_after counts down to, once.
class FailingMemory final : public MemoryResource {
 public:
  explicit FailingMemory(MemoryResource& upstream) : upstream_(upstream) {}

  // `allocations` more succeed, then one fails.
  void fail_after(std::int64_t allocations) { left_ = allocations; }

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

 private:
  MemoryResource& upstream_;
  std::int64_t left_ = -1;  // below 0: never
};

}  // namespace cairn
