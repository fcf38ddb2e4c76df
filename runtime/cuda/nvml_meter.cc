// Meters of CUDA cards.

#include <utility>

#include "runtime/cuda/nvml.h"
#include "runtime/device_meter.h"

namespace cairn {
namespace {

class NvmlMeter final : public DeviceMeter {
 public:
  NvmlMeter(std::shared_ptr<const Nvml> nvml, Nvml::Device device)
      : nvml_(std::move(nvml)), device_(device) {}

  MeterReading read() override {
    return {nvml_->joules(device_), nvml_->sm_clock_mhz(device_),
            nvml_->celsius(device_)};
  }

 private:
  std::shared_ptr<const Nvml> nvml_;
  Nvml::Device device_;
};

}  // namespace

std::unique_ptr<DeviceMeter> make_device_meter(const std::string& uuid) {
  auto nvml = Nvml::open();
  if (!nvml) return nullptr;
  const Nvml::Device device = nvml->device(uuid);
  if (device == nullptr) return nullptr;
  return std::make_unique<NvmlMeter>(std::move(nvml), device);
}

}  // namespace cairn
