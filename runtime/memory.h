// Where bytes come from: MemoryResource gives and takes them on a stream, a
// Buffer owns them.
//
// Memory is stream-ordered, as on a device: allocate returns at once, and the
// bytes may be used by work enqueued on that stream from then on; deallocate
// also returns at once, and the bytes may be given out again to work enqueued
// on the same stream later, while earlier work on it still uses them. A buffer
// must therefore be freed on the stream that used it last.
//
// Threads: a resource serves one rank and is called from the thread that feeds
// the rank's streams. Addresses are aligned to kMemoryAlignment bytes, and
// sizes are accounted as padded() to it.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/stream.h"

namespace cairn {

inline constexpr std::size_t kMemoryAlignment = 256;

// `bytes` rounded up to kMemoryAlignment; what an allocation really takes.
constexpr std::size_t padded(std::size_t bytes) {
  return (bytes + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment;
}

// Whose bytes they are: the rows of the memory table.
enum class Owner : std::uint8_t {
  kParameters,
  kGradients,
  kOptimizer,
  kActivations,  // what blocks save between forward and backward
  kTransients,   // what lives within one block's forward or backward
  kWorkspace,    // scratch of the kernels
  kData,         // tokens, targets, losses, norms
};
inline constexpr int kOwners = 7;

const char* name_of(Owner owner);

class MemoryResource {
 public:
  virtual ~MemoryResource() = default;

  // Throws kOutOfMemory, saying what was asked for and what there was.
  virtual void* allocate(std::size_t bytes, Owner owner, Stream& stream) = 0;

  // The same, at `address`, which the resource had given out for as many bytes
  // and got back; where it cannot, anywhere. So what goes and comes again in
  // each step finds each step the same.
  virtual void* allocate_at(void* /*address*/, std::size_t bytes, Owner owner,
                            Stream& stream) {
    return allocate(bytes, owner, stream);
  }

  // `bytes` and `owner` as they were given to allocate.
  virtual void deallocate(void* address, std::size_t bytes, Owner owner,
                          Stream& stream) noexcept = 0;
};

// Owns bytes of a resource; gives them back on `stream`. The resource and the
// stream must outlive it.
class Buffer {
 public:
  Buffer() = default;
  // `at`, if given, is for allocate_at.
  Buffer(MemoryResource& memory, std::size_t bytes, Owner owner, Stream& stream,
         std::byte* at = nullptr);
  ~Buffer();

  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  MemoryResource* memory_ = nullptr;
  Stream* stream_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  Owner owner_ = Owner::kData;
};

}  // namespace cairn
