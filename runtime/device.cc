#include "runtime/device.h"

namespace cairn {

std::string to_text(const Device& device) {
  const char* kind = "cpu";
  if (device.kind == Device::Kind::kCuda) kind = "cuda";
  if (device.kind == Device::Kind::kSim) kind = "sim";
  return std::string(kind) + ":" + std::to_string(device.index);
}

}  // namespace cairn
