#include "runtime/arena.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "runtime/error.h"

namespace cairn {

Arena::Arena(MemoryResource& upstream, std::size_t bytes, Stream& stream)
    : upstream_(upstream),
      stream_(stream),
      size_(padded(bytes)),
      base_(static_cast<std::byte*>(
          upstream.allocate(size_, Owner::kWorkspace, stream))) {}

Arena::~Arena() {
  upstream_.deallocate(base_, size_, Owner::kWorkspace, stream_);
}

void* Arena::allocate(std::size_t bytes, Owner owner, Stream& /*stream*/) {
  const std::size_t size = std::max(padded(bytes), kMemoryAlignment);
  auto best = holes_.end();
  for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
    if (hole->second < size) continue;
    if (best == holes_.end() || hole->second < best->second) best = hole;
  }
  std::size_t offset = high_water_;
  if (best != holes_.end()) {
    offset = best->first;
    const std::size_t rest = best->second - size;
    holes_.erase(best);
    if (rest > 0) holes_.emplace(offset + size, rest);
  } else {
    // A hole that ends at the mark is extended over it.
    if (!holes_.empty()) {
      const auto last = std::prev(holes_.end());
      if (last->first + last->second == high_water_) offset = last->first;
    }
    if (size > size_ - offset) refuse(bytes, owner);
    if (offset != high_water_) holes_.erase(offset);
    high_water_ = offset + size;
  }
  in_use_ += size;
  return base_ + offset;
}

void Arena::deallocate(void* address, std::size_t bytes, Owner /*owner*/,
                       Stream& /*stream*/) noexcept {
  std::size_t size = std::max(padded(bytes), kMemoryAlignment);
  auto offset =
      static_cast<std::size_t>(static_cast<std::byte*>(address) - base_);
  in_use_ -= size;
  const auto next = holes_.lower_bound(offset);
  if (next != holes_.end() && offset + size == next->first) {
    size += next->second;
    holes_.erase(next);
  }
  const auto after = holes_.lower_bound(offset);
  if (after != holes_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      before->second += size;
      return;
    }
  }
  holes_.emplace(offset, size);
}

void Arena::refuse(std::size_t bytes, Owner owner) const {
  std::size_t free = size_ - high_water_;
  std::size_t largest = free;
  for (const auto& [offset, hole] : holes_) {
    free += hole;
    largest = std::max(largest, hole);
  }
  throw Error(Code::kOutOfMemory,
              "the arena of " + std::to_string(size_) + " bytes has no " +
                  std::to_string(bytes) + " for " + name_of(owner) + ": " +
                  std::to_string(free) + " are free, the largest run is " +
                  std::to_string(largest));
}

}  // namespace cairn
