// Accounts what passes through it by owner: now, at most, and at the moment
// when all owners together had most. Adds up to the byte.

#pragma once

#include <array>
#include <cstdint>

#include "runtime/memory.h"

namespace cairn {

class Ledger final : public MemoryResource {
 public:
  using ByOwner = std::array<std::size_t, kOwners>;

  // `upstream` outlives the ledger.
  explicit Ledger(MemoryResource& upstream) : upstream_(upstream) {}

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

  const ByOwner& now() const { return now_; }
  const ByOwner& at_peak() const { return at_peak_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t peak_bytes() const { return peak_bytes_; }
  // How often memory was asked for since construction.
  std::uint64_t allocations() const { return allocations_; }

 private:
  MemoryResource& upstream_;
  ByOwner now_{};
  ByOwner at_peak_{};
  std::size_t bytes_ = 0;
  std::size_t peak_bytes_ = 0;
  std::uint64_t allocations_ = 0;
};

}  // namespace cairn
