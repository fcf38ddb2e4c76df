#include "runtime/limited_memory.h"

#include <string>

#include "runtime/error.h"

namespace cairn {

void* LimitedMemory::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  const std::size_t wanted = padded(bytes);
  if (wanted < bytes || wanted > budget_bytes_ - in_use_) {
    throw Error(Code::kOutOfMemory,
                "allocating " + std::to_string(bytes) + " bytes for " +
                    name_of(owner) + ": " + std::to_string(in_use_) +
                    " of a budget of " + std::to_string(budget_bytes_) +
                    " bytes are in use");
  }
  void* address = upstream_.allocate(bytes, owner, stream);
  in_use_ += wanted;
  return address;
}

void LimitedMemory::deallocate(void* address, std::size_t bytes, Owner owner,
                               Stream& stream) noexcept {
  in_use_ -= padded(bytes);
  upstream_.deallocate(address, bytes, owner, stream);
}

}  // namespace cairn
