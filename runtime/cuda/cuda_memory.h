// Device memory, taken in whole blocks for an arena to serve from, and the
// host's memory that the device copies from and to by itself. Giving either
// back waits for the device, since work may still use it.

#pragma once

#include <memory_resource>

#include "runtime/memory.h"

namespace cairn {

class CudaMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;
};

// Page-locked. Throws kOutOfMemory.
class PinnedMemory final : public std::pmr::memory_resource {
 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* address, std::size_t bytes,
                     std::size_t alignment) override;
  bool do_is_equal(
      const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
};

}  // namespace cairn
