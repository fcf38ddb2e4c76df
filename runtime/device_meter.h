// A DeviceMeter reads what a card draws and how fast it is clocked while it
// works, from its driver and without asking the device's streams.
//
// Threads: one at a time, any. A reading takes up to some milliseconds.

#pragma once

#include <memory>
#include <optional>
#include <string>

namespace cairn {

// What a card cannot tell is none.
struct MeterReading {
  std::optional<double> joules;  // since some fixed moment; only ever grows
  std::optional<double> sm_clock_mhz;
  std::optional<double> celsius;
};

class DeviceMeter {
 public:
  virtual ~DeviceMeter() = default;

  virtual MeterReading read() = 0;
};

// The meter of the card with that UUID ("GPU-..."); null where the driver's
// management library (NVML) is absent or does not know the card.
std::unique_ptr<DeviceMeter> make_device_meter(const std::string& uuid);

}  // namespace cairn
