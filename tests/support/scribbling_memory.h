// Memory that is overwritten as it is given back and kept until the end, so
// that a test can tell what still used it: who reads later reads 0xFF, and who
// writes later leaves something else.

#pragma once

#include <cstddef>
#include <cstring>
#include <map>
#include <utility>

#include "runtime/memory.h"

namespace cairn {

class ScribblingMemory final : public MemoryResource {
 public:
  // `stream` outlives this and is where the bytes go back in the end.
  ScribblingMemory(MemoryResource& upstream, Stream& stream)
      : upstream_(upstream), stream_(stream) {}
  ~ScribblingMemory() override {
    for (const auto& [address, bytes] : given_back_) {
      upstream_.deallocate(address, bytes, Owner::kData, stream_);
    }
  }

  ScribblingMemory(const ScribblingMemory&) = delete;
  ScribblingMemory& operator=(const ScribblingMemory&) = delete;

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override {
    return upstream_.allocate(bytes, owner, stream);
  }
  void deallocate(void* address, std::size_t bytes, Owner /*owner*/,
                  Stream& /*stream*/) noexcept override {
    std::memset(address, 0xFF, bytes);
    given_back_[address] = bytes;
  }

  // Whether nothing was written to what was given back.
  bool untouched() const {
    for (const auto& [address, bytes] : given_back_) {
      const auto* all = static_cast<const unsigned char*>(address);
      for (std::size_t i = 0; i < bytes; ++i) {
        if (all[i] != 0xFF) return false;
      }
    }
    return !given_back_.empty();
  }

 private:
  MemoryResource& upstream_;
  Stream& stream_;
  std::map<void*, std::size_t> given_back_;
};

}  // namespace cairn
