// Token shards: tokens on disk, memory-mapped, in the forms of llm.c, nanoGPT
// and Megatron (docs/formats.md). One or many files are one source.
//
// Everything is checked when a source is opened: headers, sizes, and that every
// token is in the vocabulary. Errors are kBadArgument with the path, what was
// found and what was expected.
//
// Threads: reading is safe from any number of threads.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cairn {

struct TokenOptions {
  std::string format = "auto";  // "llmc", "nanogpt", "megatron"
  std::int64_t vocab = 0;       // every token must be below it; 0: 2^31
  std::int64_t sequence = 1;    // a sample is sequence + 1 tokens
};

// The tokens of one file.
class TokenShard;

class TokenShards {
 public:
  // `path` is a file, a directory (all its *.bin), or a pattern with *, ? or
  // [; Megatron's may be PREFIX, PREFIX.bin or PREFIX.idx. Several files are
  // read in order of name. With "auto", a file with an .idx beside it is
  // Megatron's, one with llm.c's number in front is llm.c's, and any other is
  // nanoGPT's.
  TokenShards(const std::string& path, const TokenOptions& options);
  ~TokenShards();

  TokenShards(const TokenShards&) = delete;
  TokenShards& operator=(const TokenShards&) = delete;
  TokenShards(TokenShards&&) noexcept;
  TokenShards& operator=(TokenShards&&) noexcept;

  int shards() const { return static_cast<int>(shards_.size()); }
  std::int64_t tokens(int shard) const;
  std::int64_t tokens() const;

  // Tokens [position, position + count) of a shard. They must be there.
  void read(int shard, std::int64_t position, std::int64_t count,
            std::int32_t* out) const;

 private:
  std::vector<std::unique_ptr<TokenShard>> shards_;
};

}  // namespace cairn
