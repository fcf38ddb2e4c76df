// Writes a token shard in llm.c's form: two bytes a token for a vocabulary up
// to 65,536, four beyond.

#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace cairn {

// The file is there whole or not at all: written beside its place, flushed to
// the drive, renamed. Throws kBadArgument with the path and the reason.
void write_token_shard(const std::string& path,
                       std::span<const std::int32_t> tokens,
                       std::int64_t vocab);

}  // namespace cairn
