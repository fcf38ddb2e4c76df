// One file of tokens, whatever its form: how they are stored and where.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/data/mapped_file.h"

namespace cairn {

enum class TokenWidth : std::uint8_t { kU8, kI8, kI16, kU16, kI32, kU32, kI64 };

std::size_t size_of(TokenWidth width);

class TokenShard {
 public:
  TokenShard(std::unique_ptr<MappedFile> file, TokenWidth width,
             std::size_t offset, std::int64_t tokens)
      : file_(std::move(file)),
        width_(width),
        offset_(offset),
        tokens_(tokens) {}

  const std::string& path() const { return file_->path(); }
  std::int64_t tokens() const { return tokens_; }

  std::int64_t token(std::int64_t position) const;
  void read(std::int64_t position, std::int64_t count, std::int32_t* out) const;

  // Throws kBadArgument at the first token that is not in [0, vocab).
  void check_vocabulary(std::int64_t vocab) const;

 private:
  bool any_outside(std::int64_t position, std::int64_t count,
                   std::int64_t vocab) const;

  std::unique_ptr<MappedFile> file_;
  TokenWidth width_;
  std::size_t offset_;
  std::int64_t tokens_;
};

// Each checks the file's form and throws kBadArgument when it is another.
std::unique_ptr<TokenShard> open_llmc(const std::string& path);
std::unique_ptr<TokenShard> open_nanogpt(const std::string& path);
std::unique_ptr<TokenShard> open_megatron(const std::string& path);
// By what is there; see TokenShards.
std::unique_ptr<TokenShard> open_shard(const std::string& path,
                                       const std::string& format);

}  // namespace cairn
