#include "runtime/ledger.h"

namespace cairn {

void* Ledger::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  void* address = upstream_.allocate(bytes, owner, stream);
  ++allocations_;
  now_[static_cast<int>(owner)] += padded(bytes);
  bytes_ += padded(bytes);
  if (bytes_ > peak_bytes_) {
    peak_bytes_ = bytes_;
    at_peak_ = now_;
  }
  return address;
}

void Ledger::deallocate(void* address, std::size_t bytes, Owner owner,
                        Stream& stream) noexcept {
  upstream_.deallocate(address, bytes, owner, stream);
  now_[static_cast<int>(owner)] -= padded(bytes);
  bytes_ -= padded(bytes);
}

}  // namespace cairn
