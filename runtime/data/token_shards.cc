#include "runtime/data/token_shards.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "runtime/data/token_shard.h"
#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
  return paths;  // sorted by glob
}

// The files that `path` stands for. A single path stands for itself, so that
// opening it tells what is wrong with it.
std::vector<std::string> files_of(const std::string& path) {
  const bool pattern = path.find_first_of("*?") != std::string::npos;
  const bool folder = fs::is_directory(path);
  if (!pattern && !folder) return {path};
  std::vector<std::string> files = matches(folder ? path + "/*.bin" : path);
  std::erase_if(files, [](const std::string& file) {
    return fs::path(file).extension() == ".idx";
  });
  if (files.empty()) {
    throw Error(Code::kBadArgument,
                "no token shards are at " + path +
                    (folder ? "/*.bin" : " (a pattern that nothing matches)"));
  }
  return files;
}

}  // namespace

TokenShards::TokenShards(const std::string& path, const TokenOptions& options) {
  for (const std::string& file : files_of(path)) {
    shards_.push_back(open_shard(file, options.format));
    const TokenShard& shard = *shards_.back();
    if (shard.tokens() < options.sequence + 1) {
      throw Error(Code::kBadArgument,
                  shard.path() + " has " + std::to_string(shard.tokens()) +
                      " tokens; one sample of data.sequence = " +
                      std::to_string(options.sequence) + " takes " +
                      std::to_string(options.sequence + 1));
    }
    if (options.vocab > 0) shard.check_vocabulary(options.vocab);
  }
}

TokenShards::~TokenShards() = default;
TokenShards::TokenShards(TokenShards&&) noexcept = default;
TokenShards& TokenShards::operator=(TokenShards&&) noexcept = default;

std::int64_t TokenShards::tokens(int shard) const {
  return shards_.at(static_cast<std::size_t>(shard))->tokens();
}

std::int64_t TokenShards::tokens() const {
  std::int64_t sum = 0;
  for (const auto& shard : shards_) sum += shard->tokens();
  return sum;
}

void TokenShards::read(int shard, std::int64_t position, std::int64_t count,
                       std::int32_t* out) const {
  shards_.at(static_cast<std::size_t>(shard))->read(position, count, out);
}

}  // namespace cairn
