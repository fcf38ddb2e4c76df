#include "runtime/failing_memory.h"

#include <string>

#include "runtime/error.h"

namespace cairn {

void* FailingMemory::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  if (left_ > 0 && --left_ == 0) {
    throw Error(Code::kOutOfMemory, "allocating " + std::to_string(bytes) +
                                        " bytes for " + name_of(owner) +
                                        ": told to fail");
  }
  return upstream_.allocate(bytes, owner, stream);
}

void FailingMemory::deallocate(void* address, std::size_t bytes, Owner owner,
                               Stream& stream) noexcept {
  upstream_.deallocate(address, bytes, owner, stream);
}

}  // namespace cairn
