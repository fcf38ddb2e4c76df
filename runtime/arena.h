// One block of memory, reserved at once, from which all else is placed: nothing
// is asked of the device later.
//
// Placement is best fit among the holes below the high-water mark, lowest
// address first, and only then above the mark, so it depends on the calls alone
// and not on the arena's size: a rehearsal in a larger arena places every
// buffer where the real run will.
//
// Threads: one, as its rank's. Buffers may be freed on any stream whose earlier
// work precedes, by events, what is enqueued for the next owner of the bytes.

#pragma once

#include <map>

#include "runtime/memory.h"

namespace cairn {

class Arena final : public MemoryResource {
 public:
  // Reserves `bytes` of `upstream`, to be given back on `stream`.
  Arena(MemoryResource& upstream, std::size_t bytes, Stream& stream);
  ~Arena() override;

  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Throws kOutOfMemory with what was asked, what is free, and the largest run.
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

  std::size_t size() const { return size_; }
  // The end of the highest byte ever used.
  std::size_t high_water() const { return high_water_; }
  std::size_t in_use() const { return in_use_; }

 private:
  [[noreturn]] void refuse(std::size_t bytes, Owner owner) const;

  MemoryResource& upstream_;
  Stream& stream_;
  std::size_t size_;
  std::byte* base_;
  std::map<std::size_t, std::size_t> holes_;  // offset -> bytes, below the mark
  std::size_t high_water_ = 0;
  std::size_t in_use_ = 0;
};

}  // namespace cairn
