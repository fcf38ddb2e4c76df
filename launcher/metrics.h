// The lines of metrics.jsonl: one JSON object each, without a newline.
//
// Numbers are printed in the shortest form that reads back to the same bits;
// what is not finite becomes null.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/timeline.h"

namespace cairn {

struct StepRecord {
  std::int64_t step = 0;  // from 1
  double loss = 0.0;
  double grad_norm = 0.0;
  double lr = 0.0;
  std::int64_t tokens = 0;  // since the run began
  double tokens_per_s = 0.0;
  double step_ms = 0.0;
  std::optional<double> mfu;  // where the device's peak is known
  // Where the driver tells them; docs/performance.md.
  std::optional<double> power_w;
  std::optional<double> joules_per_token;
  std::optional<double> sm_clock_mhz;
  std::optional<double> temperature_c;
  std::int64_t device_peak_bytes = 0;
  std::int64_t host_peak_bytes = 0;
  std::int64_t offload_bytes = 0;
  std::array<double, kPhases> ms{};  // by Phase
  std::optional<double> valid_loss;

  double& operator[](Phase phase) { return ms[static_cast<int>(phase)]; }
};

std::string step_line(const StepRecord& record);
std::string evaluation_line(std::int64_t step, double valid_loss);
std::string end_line(std::int64_t steps, const std::string& weights_hash,
                     double loss);

}  // namespace cairn
