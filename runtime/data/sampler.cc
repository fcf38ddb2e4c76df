#include "runtime/data/sampler.h"

#include <algorithm>
#include <string>

#include "runtime/error.h"
#include "runtime/random.h"

namespace cairn {
namespace {

// Keys the generator's uses apart.
constexpr std::uint32_t kOffsetUse = 1;
constexpr std::uint32_t kOrderUse = 2;

std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32);
}

// A permutation of [0, 2^(2 * half)): four rounds of a balanced Feistel
// network (Luby and Rackoff, 1988).
std::uint64_t mix(std::uint64_t x, int half, std::uint64_t seed,
                  std::uint64_t epoch) {
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  std::uint64_t left = x >> half;
  std::uint64_t right = x & mask;
  for (std::uint32_t round = 0; round < 4; ++round) {
    const Random4 random = philox(
        seed, {low(right), low(epoch), high(epoch), kOrderUse << 8 | round});
    const std::uint64_t next = left ^ (random[0] & mask);
    left = right;
    right = next;
  }
  return left << half | right;
}

}  // namespace

Windows::Windows(const TokenShards& shards, std::int64_t sequence,
                 std::int64_t slack)
    : shards_(shards), sequence_(sequence) {
  require(sequence > 0, "a window has at least one token");
  for (int s = 0; s < shards.shards(); ++s) {
    first_.push_back(count_);
    const std::int64_t room = shards.tokens(s) - 1 - slack;
    if (room > 0) count_ += static_cast<std::uint64_t>(room / sequence);
  }
  if (count_ == 0) {
    throw Error(Code::kBadArgument,
                "no shard has the " + std::to_string(sequence + 1) +
                    " tokens of one sample; there are " +
                    std::to_string(shards.tokens()) + " in all");
  }
}

void Windows::read(std::uint64_t window, std::int64_t offset,
                   std::int32_t* inputs, std::int32_t* targets) const {
  require(window < count_, "a window past the last was asked for");
  const auto after = std::upper_bound(first_.begin(), first_.end(), window);
  const auto shard = static_cast<int>(after - first_.begin()) - 1;
  const auto position =
      offset + static_cast<std::int64_t>(
                   window - first_[static_cast<std::size_t>(shard)]) *
                   sequence_;
  shards_.read(shard, position, sequence_, inputs);
  shards_.read(shard, position + 1, sequence_, targets);
}

// The windows may be shifted by up to one sequence where the shortest shard
// leaves a window after that; every epoch then has the same number of them.
Sampler::Sampler(const TokenShards& shards, std::int64_t sequence,
                 std::uint64_t seed)
    : slack_([&] {
        std::int64_t shortest = shards.tokens(0);
        for (int s = 1; s < shards.shards(); ++s) {
          shortest = std::min(shortest, shards.tokens(s));
        }
        return std::clamp<std::int64_t>(shortest - 1 - sequence, 0,
                                        sequence - 1);
      }()),
      seed_(seed),
      windows_(shards, sequence, slack_) {}

std::uint64_t Sampler::window_of(std::uint64_t sample) const {
  const std::uint64_t count = windows();
  const std::uint64_t epoch = sample / count;
  int half = 1;
  while (half < 31 && (std::uint64_t{1} << (2 * half)) < count) ++half;
  std::uint64_t window = sample % count;
  do {
    window = mix(window, half, seed_, epoch);
  } while (window >= count);
  return window;
}

std::int64_t Sampler::offset_of(std::uint64_t sample) const {
  const std::uint64_t epoch = sample / windows();
  const Random4 random =
      philox(seed_, {low(epoch), high(epoch), 0, kOffsetUse << 8});
  return static_cast<std::int64_t>(random[0] %
                                   static_cast<std::uint64_t>(slack_ + 1));
}

void Sampler::read(std::uint64_t sample, std::int32_t* inputs,
                   std::int32_t* targets) const {
  windows_.read(window_of(sample), offset_of(sample), inputs, targets);
}

}  // namespace cairn
