// Which tokens a sample is made of, as a pure function of its number: nothing
// is stored, so a run resumes anywhere, with any number of ranks. With a global
// batch of G, sample i of step s is number s * G + i.
//
// Training: an epoch cuts every shard into windows of `sequence` tokens, from
// an offset drawn for the epoch, and visits each once, in an order given by a
// keyed permutation (a Feistel network over Philox, walked until it lands among
// the windows). A sample is a window and the token after it; none crosses from
// shard to shard.
//
// Threads: reading is safe from any number of threads. Shards must outlive it.

#pragma once

#include <cstdint>
#include <vector>

#include "runtime/data/token_shards.h"

namespace cairn {

// Windows of a source, numbered through its shards.
class Windows {
 public:
  // Windows begin at most `slack` tokens into a shard; all of them have
  // sequence + 1 tokens. Throws kBadArgument if there is none.
  Windows(const TokenShards& shards, std::int64_t sequence, std::int64_t slack);

  std::uint64_t count() const { return count_; }

  // inputs: the window's tokens; targets: the ones that follow each.
  void read(std::uint64_t window, std::int64_t offset, std::int32_t* inputs,
            std::int32_t* targets) const;

 private:
  const TokenShards& shards_;
  std::int64_t sequence_;
  std::vector<std::uint64_t> first_;  // of each shard
  std::uint64_t count_ = 0;
};

class Sampler {
 public:
  Sampler(const TokenShards& shards, std::int64_t sequence, std::uint64_t seed);

  // Samples of an epoch.
  std::uint64_t windows() const { return windows_.count(); }

  void read(std::uint64_t sample, std::int32_t* inputs,
            std::int32_t* targets) const;

  // Where in its epoch sample `sample` is, and how far its windows are shifted.
  std::uint64_t window_of(std::uint64_t sample) const;
  std::int64_t offset_of(std::uint64_t sample) const;

 private:
  std::int64_t slack_;  // the largest shift
  std::uint64_t seed_;
  Windows windows_;
};

// Every window in order, from the start: for validation.
class SequentialSampler {
 public:
  SequentialSampler(const TokenShards& shards, std::int64_t sequence)
      : windows_(shards, sequence, 0) {}

  std::uint64_t samples() const { return windows_.count(); }
  void read(std::uint64_t sample, std::int32_t* inputs,
            std::int32_t* targets) const {
    windows_.read(sample, 0, inputs, targets);
  }

 private:
  Windows windows_;
};

}  // namespace cairn
