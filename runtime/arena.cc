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
  free_.reserve(1024);
  streams_.reserve(kMaxStreams);
  if (size_ > 0) free_.push_back({0, size_, 0});
}

void* Arena::allocate(std::size_t bytes, Owner owner, Stream& stream) {
  require(streams_.size() < kMaxStreams, "an arena serves under 64 streams");
  bit_of(stream);
  const std::size_t wanted = taken(bytes);
  const auto run = best_fit(wanted);
  if (wanted < bytes || run == free_.end()) refuse(bytes, owner);
  wait_for_givers(run->givers, stream);
  const std::size_t offset = run->offset;
  run->offset += wanted;
  run->bytes -= wanted;
  if (run->bytes == 0) free_.erase(run);
  // There are at most as many gaps as allocations, and one more; with room for
  // them, deallocate cannot run out of it.
  ++live_;
  if (free_.capacity() < live_ + 1) free_.reserve(2 * (live_ + 1));
  high_water_ = std::max(high_water_, offset + wanted);
  return block_.data() + offset;
}

void Arena::deallocate(void* address, std::size_t bytes, Owner /*owner*/,
                       Stream& stream) noexcept {
  const Run given{static_cast<std::size_t>(static_cast<std::byte*>(address) -
                                           block_.data()),
                  taken(bytes), bit_of(stream)};
  auto run = std::lower_bound(
      free_.begin(), free_.end(), given,
      [](const Run& a, const Run& b) { return a.offset < b.offset; });
  run = free_.insert(run, given);
  const auto join_next = [this](std::vector<Run>::iterator left) {
    const auto right = left + 1;
    if (right == free_.end() || left->offset + left->bytes != right->offset) {
      return;
    }
    left->bytes += right->bytes;
    left->givers |= right->givers;
    free_.erase(right);
  };
  join_next(run);
  if (run != free_.begin()) join_next(run - 1);
  --live_;
}

std::size_t Arena::free_bytes() const {
  std::size_t sum = 0;
  for (const Run& run : free_) sum += run.bytes;
  return sum;
}

std::size_t Arena::largest_free_run() const {
  std::size_t largest = 0;
  for (const Run& run : free_) largest = std::max(largest, run.bytes);
  return largest;
}

std::vector<Arena::Run>::iterator Arena::best_fit(std::size_t bytes) {
  auto best = free_.end();
  for (auto run = free_.begin(); run != free_.end(); ++run) {
    if (run->bytes < bytes) continue;
    if (best == free_.end() || run->bytes < best->bytes) best = run;
  }
  return best;
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
