#include "runtime/data/token_shards.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "runtime/data/token_shard.h"
#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path& file = entry->path();
    if (file.extension() == ".bin") files.push_back(file.string());
  }
  if (error) {
    throw Error(Code::kBadArgument,
                "the folder " + folder + " cannot be read: " + error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
  std::erase_if(paths, [](const std::string& path) {
    return fs::path(path).extension() == ".idx";
  });
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The files that `path` stands for. What is there stands for itself, whatever
// its name; a single path too, so that opening it tells what is wrong with it.
std::vector<std::string> files_of(const std::string& path) {
  std::error_code ignored;
  const bool folder = fs::is_directory(path, ignored);
  const bool pattern = path.find_first_of("*?[") != std::string::npos &&
                       !fs::exists(path, ignored);
  if (!pattern && !folder) return {path};
  std::vector<std::string> files = folder ? files_in(path) : matches(path);
  if (files.empty()) {
    throw Error(Code::kBadArgument,
                "no token shards are at " + path +
                    (folder ? "/*.bin" : " (a pattern that nothing matches)"));
  }
  return files;
}

// A token is an std::int32_t that is not negative.
constexpr std::int64_t kMostTokens = std::int64_t{1} << 31;

void check(const TokenOptions& options) {
  if (options.sequence < 1 || options.sequence >= kMostTokens) {
    throw Error(Code::kBadArgument,
                "data.sequence = " + std::to_string(options.sequence) +
                    " is not from 1 to " + std::to_string(kMostTokens - 1));
  }
  if (options.vocab < 0 || options.vocab > kMostTokens) {
    throw Error(Code::kBadArgument,
                "a vocabulary of " + std::to_string(options.vocab) +
                    " is not from 0 to " + std::to_string(kMostTokens));
  }
}

}  // namespace

TokenShards::TokenShards(const std::string& path, const TokenOptions& options) {
  check(options);
  for (const std::string& file : files_of(path)) {
    shards_.push_back(open_shard(file, options.format));
    const TokenShard& shard = *shards_.back();
    if (shard.tokens() <= options.sequence) {
      throw Error(Code::kBadArgument,
                  shard.path() + " has " + std::to_string(shard.tokens()) +
                      " tokens; one sample of data.sequence = " +
                      std::to_string(options.sequence) + " takes " +
                      std::to_string(options.sequence + 1));
    }
    shard.check_vocabulary(options.vocab > 0 ? options.vocab : kMostTokens);
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
