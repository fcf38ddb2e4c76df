// What a step made of the cards it ran on: model FLOPs utilisation, power,
// clock, energy a token. docs/performance.md tells how each is counted.
//
// Threads: the owning rank's.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "launcher/metrics.h"
#include "launcher/power_watch.h"
#include "launcher/run_devices.h"

namespace cairn {

class Efficiency {
 public:
  // `flops` of a token, forward and backward. Watches the cards of this host
  // from now on.
  Efficiency(RunDevices devices, double flops);

  // The same with meters of the caller's.
  Efficiency(RunDevices devices, double flops, PowerWatch::Meters meters);

  // Fills in what is known of a record whose times are there; `tokens` are
  // those of the step.
  void add_to(StepRecord& record, std::int64_t tokens) const;

  // A sentence for the user if utilisation cannot be told of his cards, or "".
  std::string unknown() const;

 private:
  RunDevices devices_;
  double flops_;
  PowerWatch watch_;
};

// As add_to, from a known draw.
void add_power(StepRecord& record, const PowerDraw& draw,
               const RunDevices& devices, std::int64_t tokens);

}  // namespace cairn
