// Failures, as values that can be thrown, stored and carried to another thread.
//
// Every failure has a code, so that a caller can decide, and a message, so that
// a person can act: what was attempted, on what, what was found, what to do.
// Code that cannot continue throws; code that carries a failure across threads
// stores a std::exception_ptr.

#pragma once

#include <stdexcept>
#include <string>

namespace cairn {

enum class Code {
  kBadArgument,   // The caller or the user broke a documented requirement.
  kOutOfMemory,   // A budget or a device is exhausted.
  kDeviceFault,   // A driver or library call failed; the device is suspect.
  kPeerLost,      // Another rank failed or timed out.
  kCorruptState,  // Bytes read back are not the bytes written.
  kDiverged,      // The loss or a gradient is no longer finite.
};

const char* name_of(Code code);

// The place a failure was raised. As a default argument, here() is the caller's
// place. (std::source_location would do, but not under every compiler we use.)
struct Where {
  const char* file;
  int line;

  static constexpr Where here(const char* file = __builtin_FILE(),
                              int line = __builtin_LINE()) {
    return {file, line};
  }
};

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message, Where where = Where::here());

  Code code() const { return code_; }

  // The message alone, without the code and the place.
  const std::string& message() const { return message_; }

 private:
  Code code_;
  std::string message_;
};

// Throws kBadArgument unless `holds`. For requirements on callers whose message
// costs nothing to make; where it must be composed, test first and throw.
void require(bool holds, const char* message, Where where = Where::here());

}  // namespace cairn
