#include "runtime/data/sampler.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "runtime/data/write_token_shard.h"
#include "runtime/error.h"
#include "tests/runtime/data/shard_files.h"

namespace cairn {
namespace {

constexpr std::int64_t kSequence = 8;
constexpr std::int32_t kShardStride = 10000;

// Shards of the given lengths, in which token i of shard s is s * 10000 + i.
class Source {
 public:
  explicit Source(const std::vector<std::int32_t>& lengths) {
    std::int32_t shard = 0;
    for (const std::int32_t length : lengths) {
      std::vector<std::int32_t> tokens;
      for (std::int32_t i = 0; i < length; ++i) {
        tokens.push_back(shard * kShardStride + i);
      }
      write_token_shard(folder_.path(std::to_string(shard++) + ".bin"), tokens,
                        100000);
    }
  }

  TokenShards open() const { return {folder_.path(), {}}; }

 private:
  TestFolder folder_;
};

// The first token of a sample, after a check that its inputs follow one
// another in one shard and its targets follow them.
template <typename AnySampler>
std::int32_t start_of(const AnySampler& sampler, std::uint64_t sample,
                      std::int64_t sequence = kSequence) {
  std::vector<std::int32_t> inputs(static_cast<std::size_t>(sequence));
  std::vector<std::int32_t> targets(inputs.size());
  sampler.read(sample, inputs.data(), targets.data());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_EQ(inputs[i], inputs[0] + static_cast<std::int32_t>(i));
    EXPECT_EQ(targets[i], inputs[i] + 1);
    EXPECT_EQ(targets[i] / kShardStride, inputs[0] / kShardStride);
  }
  return inputs[0];
}

std::vector<std::int32_t> epoch_of(const Sampler& sampler,
                                   std::uint64_t epoch) {
  std::vector<std::int32_t> starts;
  for (std::uint64_t i = 0; i < sampler.windows(); ++i) {
    starts.push_back(start_of(sampler, epoch * sampler.windows() + i));
  }
  return starts;
}

std::int64_t offset(const std::vector<std::int32_t>& starts) {
  return starts[0] % kShardStride % kSequence;
}

TEST(Sampler, CountsTheWindowsThatFitAtTheLargestOffset) {
  const Source source({100, 17, 41});
  const TokenShards shards = source.open();

  // (100 - 8) / 8, (17 - 8) / 8 and (41 - 8) / 8 in whole numbers.
  EXPECT_EQ(Sampler(shards, kSequence, 1).windows(), 11U + 1U + 4U);
}

TEST(Sampler, VisitsEveryWindowOncePerEpoch) {
  const Source source({100, 17, 41, 1000});
  const TokenShards shards = source.open();
  const Sampler sampler(shards, kSequence, 7);

  for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
    const std::vector<std::int32_t> starts = epoch_of(sampler, epoch);
    EXPECT_EQ(std::set(starts.begin(), starts.end()).size(), starts.size());
    std::map<std::int32_t, int> by_shard;
    for (const std::int32_t start : starts) {
      EXPECT_EQ(start % kShardStride % kSequence, offset(starts));
      ++by_shard[start / kShardStride];
    }
    EXPECT_EQ(by_shard,
              (std::map<std::int32_t, int>{{0, 11}, {1, 1}, {2, 4}, {3, 124}}));
  }
}

TEST(Sampler, VisitsEveryWindowOnceForAnyNumberOfThem) {
  for (std::int32_t tokens = 9; tokens < 700; tokens += 13) {
    const Source source({tokens});
    const TokenShards shards = source.open();
    const std::vector<std::int32_t> starts =
        epoch_of(Sampler(shards, kSequence, 3), 2);
    EXPECT_EQ(std::set(starts.begin(), starts.end()).size(), starts.size());
  }
}

TEST(Sampler, DrawsEveryOffsetAndNoOther) {
  const Source source({100});
  const TokenShards shards = source.open();
  const Sampler sampler(shards, kSequence, 5);
  std::map<std::int64_t, int> seen;

  for (std::uint64_t epoch = 0; epoch < 400; ++epoch) {
    ++seen[offset({start_of(sampler, epoch * sampler.windows())})];
  }

  ASSERT_EQ(seen.size(), 8U);
  for (const auto& [value, times] : seen) EXPECT_GT(times, 20) << value;
}

TEST(Sampler, OrdersEveryEpochAndSeedAnew) {
  const Source source({1000});
  const TokenShards shards = source.open();
  const auto order = [&](std::uint64_t seed, std::uint64_t epoch) {
    const Sampler sampler(shards, kSequence, seed);
    std::vector<std::int32_t> windows = epoch_of(sampler, epoch);
    for (std::int32_t& start : windows) start /= kSequence;
    return windows;
  };

  EXPECT_NE(order(1, 0), order(1, 1));
  EXPECT_NE(order(1, 0), order(2, 0));
  EXPECT_NE(order(1, 0), order(1, std::uint64_t{1} << 32));
  std::vector<std::int32_t> sorted = order(1, 0);
  int rises = 0;
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    rises += sorted[i] > sorted[i - 1] ? 1 : 0;
  }
  EXPECT_NEAR(rises, 61, 20);  // of 122 steps
}

TEST(Sampler, ShowsTheFirstWindowAnywhereInTheEpoch) {
  const Source source({1000});
  const TokenShards shards = source.open();
  double sum = 0;

  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    sum += start_of(Sampler(shards, kSequence, seed), 0);
  }

  EXPECT_NEAR(sum / 1000, 496, 50);  // five standard deviations are 46
}

TEST(Sampler, IsAPureFunctionOfTheSample) {
  const Source source({100, 300});
  const TokenShards shards = source.open();
  const Sampler sampler(shards, kSequence, 9);
  std::vector<std::int32_t> starts;
  for (std::uint64_t n = 0; n < 200; ++n) {
    starts.push_back(start_of(sampler, n));
  }

  const TokenShards again = source.open();
  for (std::uint64_t n = 200; n-- > 0;) {
    EXPECT_EQ(start_of(Sampler(again, kSequence, 9), n), starts[n]);
    EXPECT_EQ(start_of(sampler, n), starts[n]);
  }
}

TEST(Sampler, ReadsAnySampleOfALongRun) {
  const Source source({100});
  const TokenShards shards = source.open();
  const Sampler sampler(shards, kSequence, 9);

  start_of(sampler, ~std::uint64_t{0});
  start_of(sampler, std::uint64_t{1} << 63);
}

TEST(Sampler, TakesSequencesOfOneTokenAndOfAWholeShard) {
  const Source source({5});
  const TokenShards shards = source.open();
  std::set<std::int32_t> starts;
  for (std::uint64_t n = 0; n < 4; ++n) {
    starts.insert(start_of(Sampler(shards, 1, 1), n, 1));
  }

  EXPECT_EQ(starts, (std::set<std::int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(Sampler(shards, 4, 1).windows(), 1U);
  EXPECT_EQ(start_of(Sampler(shards, 4, 1), 3, 4), 0);
}

TEST(Sampler, RefusesShardsWithoutASample) {
  const Source source({5});
  const TokenShards shards = source.open();

  EXPECT_THROW(Sampler(shards, 5, 1), Error);
  EXPECT_THROW(Sampler(shards, 0, 1), Error);
  EXPECT_THROW(SequentialSampler(shards, 5), Error);
}

TEST(SequentialSampler, ReadsFixedWindowsInOrder) {
  const Source source({26, 8 + 1, 16});
  const TokenShards shards = source.open();
  const SequentialSampler sampler(shards, kSequence);
  std::vector<std::int32_t> starts;

  for (std::uint64_t n = 0; n < sampler.samples(); ++n) {
    starts.push_back(start_of(sampler, n));
  }

  EXPECT_EQ(starts, (std::vector<std::int32_t>{0, 8, 16, 10000, 20000}));
  std::int32_t unused[kSequence];
  EXPECT_THROW(sampler.read(5, unused, unused), Error);
}

}  // namespace
}  // namespace cairn
