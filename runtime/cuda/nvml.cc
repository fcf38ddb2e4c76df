#include "runtime/cuda/nvml.h"

#include <dlfcn.h>

#include <array>

namespace cairn {
namespace {

constexpr unsigned kSmClock = 1;         // NVML_CLOCK_SM
constexpr unsigned kGpuTemperature = 0;  // NVML_TEMPERATURE_GPU
constexpr unsigned kMostNvlinks = 18;    // NVML_NVLINK_MAX_LINKS
constexpr unsigned kTextSize = 96;

}  // namespace

// Every function answers 0 for success. One that this driver lacks counts as a
// refusal.
template <typename... Arguments>
bool Nvml::call(const char* name, Arguments... arguments) const {
  using Function = int (*)(Arguments...);
  const auto function = reinterpret_cast<Function>(dlsym(library_, name));
  return function != nullptr && function(arguments...) == 0;
}

std::shared_ptr<const Nvml> Nvml::open() {
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  std::shared_ptr<const Nvml> nvml(new Nvml(library));
  return nvml->call("nvmlInit_v2") ? nvml : nullptr;
}

Nvml::~Nvml() {
  call("nvmlShutdown");
  dlclose(library_);
}

std::string Nvml::driver_version() const {
  std::array<char, kTextSize> text{};
  if (!call("nvmlSystemGetDriverVersion", text.data(), kTextSize)) return "";
  return text.data();
}

int Nvml::devices() const {
  unsigned count = 0;
  return call("nvmlDeviceGetCount_v2", &count) ? static_cast<int>(count) : 0;
}

Nvml::Device Nvml::device(const std::string& uuid) const {
  Device device = nullptr;
  return call("nvmlDeviceGetHandleByUUID", uuid.c_str(), &device) ? device
                                                                  : nullptr;
}

std::optional<unsigned> Nvml::number(const char* name, Device device) const {
  unsigned value = 0;
  if (!call(name, device, &value)) return std::nullopt;
  return value;
}

std::optional<double> Nvml::joules(Device device) const {
  unsigned long long millijoules = 0;
  if (!call("nvmlDeviceGetTotalEnergyConsumption", device, &millijoules)) {
    return std::nullopt;
  }
  return 1e-3 * static_cast<double>(millijoules);
}

std::optional<double> Nvml::celsius(Device device) const {
  unsigned value = 0;
  if (!call("nvmlDeviceGetTemperature", device, kGpuTemperature, &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> Nvml::sm_clock_mhz(Device device) const {
  unsigned value = 0;
  if (!call("nvmlDeviceGetClockInfo", device, kSmClock, &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> Nvml::most_sm_clock_mhz(Device device) const {
  unsigned value = 0;
  if (!call("nvmlDeviceGetMaxClockInfo", device, kSmClock, &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> Nvml::power_limit_w(Device device) const {
  const auto milliwatts = number("nvmlDeviceGetEnforcedPowerLimit", device);
  if (!milliwatts) return std::nullopt;
  return 1e-3 * static_cast<double>(*milliwatts);
}

std::optional<PcieLink> Nvml::link(const char* generation, const char* width,
                                   Device device) const {
  const auto speed = number(generation, device);
  const auto lanes = number(width, device);
  if (!speed || !lanes) return std::nullopt;
  return PcieLink{static_cast<int>(*speed), static_cast<int>(*lanes)};
}

std::optional<PcieLink> Nvml::pcie(Device device) const {
  return link("nvmlDeviceGetCurrPcieLinkGeneration",
              "nvmlDeviceGetCurrPcieLinkWidth", device);
}

std::optional<PcieLink> Nvml::pcie_most(Device device) const {
  return link("nvmlDeviceGetMaxPcieLinkGeneration",
              "nvmlDeviceGetMaxPcieLinkWidth", device);
}

int Nvml::nvlinks(Device device) const {
  int up = 0;
  for (unsigned link = 0; link < kMostNvlinks; ++link) {
    unsigned active = 0;
    if (call("nvmlDeviceGetNvLinkState", device, link, &active)) {
      up += active == 1 ? 1 : 0;
    }
  }
  return up;
}

}  // namespace cairn
