// An Arena reserves one block at construction and serves every allocation from
// it: best fit among the holes below the high-water mark, lowest address first
// among equals; only when none fits does the mark rise. So the same calls give
// the same offsets in an arena of any size, and a rehearsal in an endless one
// places the buffers of a real one of exactly high_water() bytes. Calls that
// end with the same bytes given out, and do not raise the mark, can be repeated
// for ever.
//
// Memory that one stream gave back may be given to another: the arena then
// makes the taker wait for the giver. Streams must outlive the arena's use of
// them. Threads: as MemoryResource.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/memory.h"

namespace cairn {

class Arena final : public MemoryResource {
 public:
  // Takes padded(size) bytes of `upstream`, and gives them back on `stream`.
  Arena(MemoryResource& upstream, std::size_t size, Stream& stream);

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void* allocate_at(void* address, std::size_t bytes, Owner owner,
                    Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

  std::size_t size() const { return size_; }
  std::size_t free_bytes() const;
  std::size_t largest_free_run() const;
  // The end of the highest allocation ever made, in bytes from the start.
  std::size_t high_water() const { return high_water_; }

 private:
  // `givers` has a bit for each stream whose work may still use the run.
  struct Run {
    std::size_t offset = 0;
    std::size_t bytes = 0;
    std::uint64_t givers = 0;
  };

  void* take(std::vector<Run>::iterator hole, std::size_t bytes,
             Stream& stream);
  std::vector<Run>::iterator hole_at(std::size_t offset, std::size_t bytes);
  std::vector<Run>::iterator hole_for(std::size_t bytes);
  std::vector<Run>::iterator best_fit(std::size_t bytes);
  std::vector<Run>::iterator last_with_tail(std::size_t bytes);
  std::size_t tail_bytes() const;
  void prepare_for(Stream& stream);
  [[noreturn]] void refuse(std::size_t bytes, Owner owner) const;
  void wait_for_givers(std::uint64_t givers, Stream& taker);
  std::uint64_t bit_of(Stream& stream) noexcept;

  std::size_t size_;
  Buffer block_;
  std::vector<Run> holes_;        // by offset, apart, all below the mark
  std::vector<Stream*> streams_;  // bit k of Run::givers is streams_[k]
  std::size_t live_ = 0;
  std::size_t high_water_ = 0;
};

}  // namespace cairn
