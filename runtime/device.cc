#include "runtime/device.h"

namespace cairn {

const char* name_of(Device::Kind kind) {
  if (kind == Device::Kind::kCuda) return "cuda";
  return kind == Device::Kind::kSim ? "sim" : "cpu";
}

std::string to_text(const Device& device) {
  return std::string(name_of(device.kind)) + ":" + std::to_string(device.index);
}

}  // namespace cairn
