#include "runtime/memory.h"

#include <utility>

namespace cairn {

const char* name_of(Owner owner) {
  switch (owner) {
    case Owner::kParameters:
      return "parameters";
    case Owner::kGradients:
      return "gradients";
    case Owner::kOptimizer:
      return "optimizer";
    case Owner::kActivations:
      return "activations";
    case Owner::kTransients:
      return "transients";
    case Owner::kWorkspace:
      return "workspace";
    case Owner::kData:
      return "data";
  }
  return "unknown";
}

Buffer::Buffer(MemoryResource& memory, std::size_t bytes, Owner owner,
               Stream& stream, std::byte* at)
    : memory_(&memory),
      stream_(&stream),
      data_(static_cast<std::byte*>(
          at == nullptr ? memory.allocate(bytes, owner, stream)
                        : memory.allocate_at(at, bytes, owner, stream))),
      bytes_(bytes),
      owner_(owner) {}

Buffer::~Buffer() {
  if (data_ != nullptr) memory_->deallocate(data_, bytes_, owner_, *stream_);
}

Buffer::Buffer(Buffer&& other) noexcept { *this = std::move(other); }

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(stream_, other.stream_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(owner_, other.owner_);
  return *this;
}

}  // namespace cairn
