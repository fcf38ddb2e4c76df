// A Device names a processor and the memory beside it. A plain value.

#pragma once

#include <string>

namespace cairn {

struct Device {
  enum class Kind { kCpu, kCuda, kSim };

  Kind kind = Kind::kCpu;
  int index = 0;

  friend bool operator==(const Device&, const Device&) = default;
};

// "cpu", "cuda", "sim": also the name of its backend.
const char* name_of(Device::Kind kind);

// "cpu:0", "cuda:1", "sim:0".
std::string to_text(const Device& device);

}  // namespace cairn
