#include "launcher/efficiency.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/device_peaks.h"

namespace cairn {
namespace {

// Drivers count energy anew ten times a second, and take some milliseconds to
// tell it (H200, driver 580). Which count a reading sees may be off by one:
// over five seconds that is 2 %.
constexpr std::chrono::milliseconds kPeriod{100};
constexpr double kShortestSeconds = 5.0;

PowerWatch::Meters meters_of(const RunDevices& devices) {
  PowerWatch::Meters meters;
  for (const std::string& uuid : devices.here) {
    auto meter = make_device_meter(uuid);
    if (!meter) return {};
    meters.push_back(std::move(meter));
  }
  return meters;
}

}  // namespace

Efficiency::Efficiency(RunDevices devices, double flops)
    : Efficiency(devices, flops, meters_of(devices)) {}

Efficiency::Efficiency(RunDevices devices, double flops,
                       PowerWatch::Meters meters)
    : devices_(std::move(devices)),
      flops_(flops),
      watch_(std::move(meters), kPeriod) {}

void Efficiency::add_to(StepRecord& record, std::int64_t tokens) const {
  if (devices_.peak_flops) {
    record.mfu = flops_ * record.tokens_per_s / *devices_.peak_flops;
  }
  const double seconds = std::max(kShortestSeconds, 1e-3 * record.step_ms);
  add_power(record, watch_.draw(seconds), devices_, tokens);
}

std::string Efficiency::unknown() const {
  if (devices_.unknown.empty()) return "";
  std::string known;
  for (const std::string& name : cards_with_peaks()) {
    known += (known.empty() ? "" : ", ") + name;
  }
  return "MFU is left out: the peak of a " + devices_.unknown +
         " is not known; known are those of " + known;
}

void add_power(StepRecord& record, const PowerDraw& draw,
               const RunDevices& devices, std::int64_t tokens) {
  record.sm_clock_mhz = draw.sm_clock_mhz;
  record.temperature_c = draw.celsius;
  record.power_w = draw.watts;
  if (!draw.watts) return;
  const double tokens_here = static_cast<double>(tokens) * devices.share_here();
  record.joules_per_token = *draw.watts * 1e-3 * record.step_ms / tokens_here;
}

}  // namespace cairn
