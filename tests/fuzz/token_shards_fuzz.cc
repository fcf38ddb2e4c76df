// Whatever the bytes of a token file, opening it ends in shards that can be
// read to the end, or in an Error. The first byte picks the format; Megatron's
// takes the second as the length of its .idx, and the rest is its .bin.

#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/sampler.h"
#include "runtime/data/token_shards.h"
#include "runtime/error.h"

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVocab = 30000;
constexpr std::int64_t kSequence = 3;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "fuzz_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const char* name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return (path_ / name).string();
  }

 private:
  fs::path path_;
};

void read_all(const cairn::TokenShards& shards) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(shards.tokens(0)));
  shards.read(0, 0, shards.tokens(0), tokens.data());
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= kVocab) std::abort();
  }
  const cairn::Sampler sampler(shards, kSequence, tokens.size());
  const std::uint64_t samples = std::min<std::uint64_t>(sampler.windows(), 64);
  std::int32_t inputs[kSequence];
  std::int32_t targets[kSequence];
  for (std::uint64_t n = 0; n < 2 * samples; ++n) {
    sampler.read(n, inputs, targets);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.size() < 2) return 0;
  const char* const formats[] = {"auto", "llmc", "nanogpt", "megatron"};
  const std::string format = formats[data[0] % 4];
  bytes.remove_prefix(1);
  const Folder folder;
  if (format == "megatron") {
    const std::size_t index = std::min<std::size_t>(data[1], bytes.size() - 1);
    folder.write("tokens.idx", bytes.substr(1, index));
    bytes.remove_prefix(1 + index);
  }
  const std::string path = folder.write("tokens.bin", bytes);
  try {
    read_all(cairn::TokenShards(path, {format, kVocab, kSequence}));
  } catch (const cairn::Error&) {
  }
  return 0;
}
