// A Ledger counts what passes through it: bytes by owner now, at most, and at
// the moment when most was in use together. Sizes are padded().
//
// Threads: as MemoryResource. The upstream resource outlives it.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/memory.h"

namespace cairn {

using BytesByOwner = std::array<std::size_t, kOwners>;

class Ledger final : public MemoryResource {
 public:
  explicit Ledger(MemoryResource& upstream) : upstream_(upstream) {}

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void* allocate_at(void* address, std::size_t bytes, Owner owner,
                    Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

  std::size_t bytes(Owner owner) const { return now_[index(owner)]; }
  std::size_t peak(Owner owner) const { return peak_[index(owner)]; }
  std::size_t total() const { return total_; }
  std::size_t total_peak() const { return total_peak_; }
  // By owner, when total_peak() was first reached; adds up to it.
  const BytesByOwner& at_total_peak() const { return at_total_peak_; }
  // Successful allocations since construction.
  std::uint64_t allocations() const { return allocations_; }

 private:
  void count(std::size_t bytes, Owner owner);
  static std::size_t index(Owner owner) {
    return static_cast<std::size_t>(owner);
  }

  MemoryResource& upstream_;
  BytesByOwner now_{};
  BytesByOwner peak_{};
  BytesByOwner at_total_peak_{};
  std::size_t total_ = 0;
  std::size_t total_peak_ = 0;
  std::uint64_t allocations_ = 0;
};

}  // namespace cairn
