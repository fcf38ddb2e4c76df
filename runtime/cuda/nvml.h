// NVIDIA's management library, which comes with the driver. It is opened when
// it is asked for, so that a machine without a driver runs all the same, and
// declared here, because the toolkit need not bring its header. Signatures and
// constants are those of the NVML API reference (driver 580).
//
// Threads: any.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/device_report.h"

namespace cairn {

class Nvml {
 public:
  using Device = struct nvmlDevice_st*;

  // Null where there is no driver, or one that does not answer.
  static std::shared_ptr<const Nvml> open();
  ~Nvml();

  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  std::string driver_version() const;
  int devices() const;
  Device device(const std::string& uuid) const;  // null: not known

  std::optional<double> joules(Device device) const;  // since the driver loaded
  std::optional<double> celsius(Device device) const;
  std::optional<double> sm_clock_mhz(Device device) const;
  std::optional<double> most_sm_clock_mhz(Device device) const;
  std::optional<double> power_limit_w(Device device) const;
  std::optional<PcieLink> pcie(Device device) const;
  std::optional<PcieLink> pcie_most(Device device) const;
  int nvlinks(Device device) const;  // that are up

 private:
  explicit Nvml(void* library) : library_(library) {}

  template <typename... Arguments>
  bool call(const char* name, Arguments... arguments) const;
  std::optional<unsigned> number(const char* name, Device device) const;
  std::optional<PcieLink> link(const char* generation, const char* width,
                               Device device) const;

  void* library_;
};

}  // namespace cairn
