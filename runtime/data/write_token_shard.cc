#include "runtime/data/write_token_shard.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::size_t kHeaderWords = 256;

std::vector<std::byte> image(std::span<const std::int32_t> tokens, bool wide) {
  std::int32_t header[kHeaderWords] = {};
  header[0] = wide ? 20240801 : 20240520;
  header[1] = wide ? 7 : 1;
  header[2] = static_cast<std::int32_t>(tokens.size());
  const std::size_t width = wide ? 4 : 2;
  std::vector<std::byte> bytes(sizeof(header) + tokens.size() * width);
  std::memcpy(bytes.data(), header, sizeof(header));
  std::byte* out = bytes.data() + sizeof(header);
  for (const std::int32_t token : tokens) {
    std::memcpy(out, &token, width);  // little-endian: the low bytes
    out += width;
  }
  return bytes;
}

[[noreturn]] void refuse(const std::string& path, int error) {
  throw Error(Code::kBadArgument,
              "the token shard " + path +
                  " cannot be written: " + std::strerror(error));
}

// Returns 0 or the errno of what failed.
int write_all(int file, const std::vector<std::byte>& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = write(file, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno != EINTR) return errno;
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return fsync(file) == 0 ? 0 : errno;
}

void check(const std::string& path, std::span<const std::int32_t> tokens,
           std::int64_t vocab) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < vocab) continue;
    throw Error(Code::kBadArgument,
                "the token shard " + path + " cannot be written: token " +
                    std::to_string(tokens[i]) + " at position " +
                    std::to_string(i) + " is not in a vocabulary of " +
                    std::to_string(vocab));
  }
}

}  // namespace

void write_token_shard(const std::string& path,
                       std::span<const std::int32_t> tokens,
                       std::int64_t vocab) {
  if (tokens.size() > 0x7FFFFFFF) {
    throw Error(Code::kBadArgument,
                "the token shard " + path + " would have " +
                    std::to_string(tokens.size()) +
                    " tokens; the form counts to 2147483647: split the text");
  }
  check(path, tokens, vocab);
  const std::vector<std::byte> bytes = image(tokens, vocab > 65536);
  const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
  const int file =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) refuse(path, errno);
  int error = write_all(file, bytes);
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    unlink(temporary.c_str());
    refuse(path, error);
  }
}

}  // namespace cairn
