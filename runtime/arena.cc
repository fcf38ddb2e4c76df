#include "runtime/arena.h"

#include <algorithm>
#include <string>

#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::size_t kMaxStreams = 64;  // the bits of Run::givers

// An empty allocation takes room too, so that addresses stay distinct.
std::size_t taken(std::size_t bytes) {
  return std::max(padded(bytes), kMemoryAlignment);
}

}  // namespace

Arena::Arena(MemoryResource& upstream, std::size_t size, Stream& stream)
    : size_(padded(size)), block_(upstream, size_, Owner::kWorkspace, stream) {
  stream.synchronize();  // from here on, any stream may use the block
  holes_.reserve(1024);
  streams_.reserve(kMaxStreams);
}

void* Arena::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  prepare_for(stream);
  const std::size_t wanted = taken(bytes);
  if (wanted < bytes) refuse(bytes, owner);
  const auto hole = hole_for(wanted);
  if (hole == holes_.end()) refuse(bytes, owner);
  return take(hole, wanted, stream);
}

void* Arena::allocate_at(void* address, std::size_t bytes, Owner owner,
                         Stream& stream) {
  prepare_for(stream);
  const auto offset = static_cast<std::size_t>(
      static_cast<std::byte*>(address) - block_.data());
  const auto hole = hole_at(offset, taken(bytes));
  if (hole == holes_.end()) return allocate(bytes, owner, stream);
  return take(hole, taken(bytes), stream);
}

// The first bytes of a hole.
void* Arena::take(std::vector<Run>::iterator hole, std::size_t bytes,
                  Stream& stream) {
  wait_for_givers(hole->givers, stream);
  const std::size_t offset = hole->offset;
  hole->offset += bytes;
  hole->bytes -= bytes;
  if (hole->bytes == 0) holes_.erase(hole);
  ++live_;
  return block_.data() + offset;
}

// The hole that has the run, cut so that it begins there, or end().
std::vector<Arena::Run>::iterator Arena::hole_at(std::size_t offset,
                                                 std::size_t bytes) {
  auto hole = std::find_if(holes_.begin(), holes_.end(), [&](const Run& run) {
    return run.offset <= offset && offset + bytes <= run.offset + run.bytes;
  });
  if (hole == holes_.end() || hole->offset == offset) return hole;
  Run before = *hole;
  before.bytes = offset - before.offset;
  hole->offset = offset;
  hole->bytes -= before.bytes;
  return holes_.insert(hole, before) + 1;
}

void Arena::deallocate(void* address, std::size_t bytes, Owner /*owner*/,
                       Stream& stream) noexcept {
  const Run given{static_cast<std::size_t>(static_cast<std::byte*>(address) -
                                           block_.data()),
                  taken(bytes), bit_of(stream)};
  auto hole = std::lower_bound(
      holes_.begin(), holes_.end(), given,
      [](const Run& a, const Run& b) { return a.offset < b.offset; });
  hole = holes_.insert(hole, given);
  const auto join_next = [this](std::vector<Run>::iterator left) {
    const auto right = left + 1;
    if (right == holes_.end() || left->offset + left->bytes != right->offset) {
      return;
    }
    left->bytes += right->bytes;
    left->givers |= right->givers;
    holes_.erase(right);
  };
  join_next(hole);
  if (hole != holes_.begin()) join_next(hole - 1);
  --live_;
}

std::size_t Arena::free_bytes() const {
  std::size_t sum = size_ - high_water_;
  for (const Run& hole : holes_) sum += hole.bytes;
  return sum;
}

std::size_t Arena::largest_free_run() const {
  std::size_t largest = tail_bytes();
  for (const Run& hole : holes_) largest = std::max(largest, hole.bytes);
  return largest;
}

// A hole of at least `bytes`, or end(). Raises the mark if it must.
std::vector<Arena::Run>::iterator Arena::hole_for(std::size_t bytes) {
  const auto hole = best_fit(bytes);
  return hole != holes_.end() ? hole : last_with_tail(bytes);
}

std::vector<Arena::Run>::iterator Arena::best_fit(std::size_t bytes) {
  auto best = holes_.end();
  for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
    if (hole->bytes < bytes) continue;
    if (best == holes_.end() || hole->bytes < best->bytes) best = hole;
  }
  return best;
}

// The hole that touches the mark, or a new one there, grown to `bytes`.
std::vector<Arena::Run>::iterator Arena::last_with_tail(std::size_t bytes) {
  const std::size_t tail = tail_bytes();
  if (bytes > tail) return holes_.end();
  const std::size_t begin = size_ - tail;
  if (begin == high_water_) holes_.push_back({begin, 0, 0});
  holes_.back().bytes = bytes;
  high_water_ = begin + bytes;
  return holes_.end() - 1;
}

// What is free at the end of the arena, with the hole that touches the mark.
std::size_t Arena::tail_bytes() const {
  const std::size_t tail = size_ - high_water_;
  if (holes_.empty()) return tail;
  const Run& last = holes_.back();
  return last.offset + last.bytes == high_water_ ? last.bytes + tail : tail;
}

// There is at most a hole on either side of each allocation, and deallocate
// inserts one before it joins them: with this room for one allocation more it
// cannot run out of it.
void Arena::prepare_for(Stream& stream) {
  require(streams_.size() < kMaxStreams, "an arena serves under 64 streams");
  bit_of(stream);
  const std::size_t wanted = live_ + 3;
  if (holes_.capacity() < wanted) holes_.reserve(2 * wanted);
}

void Arena::refuse(std::size_t bytes, Owner owner) const {
  throw Error(Code::kOutOfMemory,
              "allocating " + std::to_string(bytes) + " bytes for " +
                  name_of(owner) + ": the largest free run is " +
                  std::to_string(largest_free_run()) + " of " +
                  std::to_string(free_bytes()) + " bytes free in an arena of " +
                  std::to_string(size_));
}

void Arena::wait_for_givers(std::uint64_t givers, Stream& taker) {
  for (std::size_t k = 0; k < streams_.size(); ++k) {
    if ((givers >> k & 1U) == 0 || streams_[k] == &taker) continue;
    taker.wait(streams_[k]->record());
  }
}

std::uint64_t Arena::bit_of(Stream& stream) noexcept {
  const auto found = std::find(streams_.begin(), streams_.end(), &stream);
  const auto index = static_cast<std::size_t>(found - streams_.begin());
  if (found == streams_.end()) streams_.push_back(&stream);
  return std::uint64_t{1} << index;
}

}  // namespace cairn
