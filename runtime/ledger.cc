#include "runtime/ledger.h"

#include <algorithm>

namespace cairn {

void* Ledger::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  void* address = upstream_.allocate(bytes, owner, stream);
  count(bytes, owner);
  return address;
}

void* Ledger::allocate_at(void* address, std::size_t bytes, Owner owner,
                          Stream& stream) {
  void* given = upstream_.allocate_at(address, bytes, owner, stream);
  count(bytes, owner);
  return given;
}

void Ledger::count(std::size_t bytes, Owner owner) {
  ++allocations_;
  std::size_t& now = now_[index(owner)];
  now += padded(bytes);
  total_ += padded(bytes);
  peak_[index(owner)] = std::max(peak_[index(owner)], now);
  if (total_ > total_peak_) {
    total_peak_ = total_;
    at_total_peak_ = now_;
  }
}

void Ledger::deallocate(void* address, std::size_t bytes, Owner owner,
                        Stream& stream) noexcept {
  now_[index(owner)] -= padded(bytes);
  total_ -= padded(bytes);
  upstream_.deallocate(address, bytes, owner, stream);
}

}  // namespace cairn
