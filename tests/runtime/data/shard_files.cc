#include "tests/runtime/data/shard_files.h"

#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace cairn {

namespace fs = std::filesystem;

TestFolder::TestFolder() {
  std::string name = (fs::temp_directory_path() / "cairn_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder");
  path_ = name;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TestFolder::write(const std::string& name,
                              const std::string& bytes) const {
  std::ofstream(path_ / name, std::ios::binary) << bytes;
  return path(name);
}

std::vector<std::string> TestFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_file(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

std::string unhex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string little(std::int64_t number, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>(number >> (8 * i) & 0xFF);
  }
  return out;
}

std::string counted(std::int64_t first, std::int64_t count, int bytes) {
  std::string out;
  for (std::int64_t i = 0; i < count; ++i) out += little(first + i, bytes);
  return out;
}

std::string llmc_header(std::int32_t magic, std::int32_t version,
                        std::int32_t tokens) {
  std::string header =
      little(magic, 4) + little(version, 4) + little(tokens, 4);
  header.resize(1024);
  return header;
}

std::string megatron_index(int code, int width,
                           const std::vector<std::int32_t>& lengths) {
  const auto sequences = static_cast<std::int64_t>(lengths.size());
  std::string out = std::string("MMIDIDX\0\0", 9) + little(1, 8) +
                    little(code, 1) + little(sequences, 8) +
                    little(sequences + 1, 8);
  for (const std::int32_t length : lengths) out += little(length, 4);
  std::int64_t pointer = 0;
  for (const std::int32_t length : lengths) {
    out += little(pointer, 8);
    pointer += std::int64_t{length} * width;
  }
  return out + counted(0, sequences + 1, 8);
}

std::vector<std::int32_t> tokens_of(const TokenShards& shards, int shard) {
  std::vector<std::int32_t> tokens(
      static_cast<std::size_t>(shards.tokens(shard)));
  shards.read(shard, 0, shards.tokens(shard), tokens.data());
  return tokens;
}

}  // namespace cairn
