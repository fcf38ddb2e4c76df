#include "runtime/error.h"

#include <string_view>

namespace cairn {
namespace {

// Keeps "runtime/stream.cc" of "/home/someone/src/runtime/stream.cc".
std::string short_path(std::string_view path) {
  const auto file = path.rfind('/');
  if (file == std::string_view::npos || file == 0) return std::string(path);
  const auto folder = path.rfind('/', file - 1);
  if (folder == std::string_view::npos) return std::string(path);
  return std::string(path.substr(folder + 1));
}

std::string compose(Code code, const std::string& message, Where where) {
  return message + " [" + name_of(code) + " at " + short_path(where.file) +
         ":" + std::to_string(where.line) + "]";
}

}  // namespace

const char* name_of(Code code) {
  switch (code) {
    case Code::kBadArgument:
      return "bad argument";
    case Code::kOutOfMemory:
      return "out of memory";
    case Code::kDeviceFault:
      return "device fault";
    case Code::kPeerLost:
      return "peer lost";
    case Code::kCorruptState:
      return "corrupt state";
    case Code::kDiverged:
      return "diverged";
  }
  return "unknown";
}

Error::Error(Code code, const std::string& message, Where where)
    : std::runtime_error(compose(code, message, where)),
      code_(code),
      message_(message) {}

void require(bool holds, const char* message, Where where) {
  if (!holds) throw Error(Code::kBadArgument, message, where);
}

}  // namespace cairn
