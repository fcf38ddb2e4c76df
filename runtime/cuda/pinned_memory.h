// Host memory that is locked in place, so that copies between it and a device
// run at the rate of the link and keep nobody waiting.

#pragma once

#include <memory_resource>

#include "runtime/memory.h"

namespace cairn {

// Taking and giving back wait for the device: neither is for within a step.
class PinnedMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;
};

// The same for objects of the host's own.
class PinnedHeap final : public std::pmr::memory_resource {
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
