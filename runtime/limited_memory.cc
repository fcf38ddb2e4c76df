#include "runtime/limited_memory.h"

#include <string>

#include "runtime/error.h"

namespace cairn {

void* LimitedMemory::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  if (padded(bytes) > budget_ - in_use_) {
    throw Error(Code::kOutOfMemory,
                std::to_string(bytes) + " bytes for " + name_of(owner) +
                    " do not fit: " + std::to_string(in_use_) + " of a budget "
                    "of " + std::to_string(budget_) + " are in use");
  }
  void* address = upstream_.allocate(bytes, owner, stream);
  in_use_ += padded(bytes);
  return address;
}

void LimitedMemory::deallocate(void* address, std::size_t bytes, Owner owner,
                               Stream& stream) noexcept {
  upstream_.deallocate(address, bytes, owner, stream);
  in_use_ -= padded(bytes);
}

void* FailingMemory::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  if (left_ >= 0 && left_-- == 0) {
    throw Error(Code::kOutOfMemory, "the allocation of " +
                                        std::to_string(bytes) + " bytes for " +
                                        name_of(owner) +
                                        " was told to fail");
  }
  return upstream_.allocate(bytes, owner, stream);
}

void FailingMemory::deallocate(void* address, std::size_t bytes, Owner owner,
                               Stream& stream) noexcept {
  upstream_.deallocate(address, bytes, owner, stream);
}

}  // namespace cairn
