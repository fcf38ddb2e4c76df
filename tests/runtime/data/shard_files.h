// Token files for tests: a fresh folder, and the bytes of each form in it.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/data/token_shards.h"

namespace cairn {

// A fresh folder that is gone with the object.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string path(const std::string& name) const {
    return (path_ / name).string();
  }

  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const;
  std::vector<std::string> names() const;

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::string& path);

// The bytes that hexadecimal digits stand for.
std::string unhex(const std::string& digits);

// `number` in `bytes` little-endian bytes.
std::string little(std::int64_t number, int bytes);

// Tokens `first` to `first + count - 1`, in `bytes` bytes each.
std::string counted(std::int64_t first, std::int64_t count, int bytes);

std::string llmc_header(std::int32_t magic, std::int32_t version,
                        std::int32_t tokens);

// The index of documents of one sequence each.
std::string megatron_index(int code, int width,
                           const std::vector<std::int32_t>& lengths);

std::vector<std::int32_t> tokens_of(const TokenShards& shards, int shard);

}  // namespace cairn
