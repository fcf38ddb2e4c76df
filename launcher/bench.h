// `cairn bench`: what kernels, copies and exchanges take on this machine, and
// the costs to plan by that follow.
//
// Threads: called from one; starts threads where ranks share a CPU. Errors: as
// the backend's.

#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "launcher/config.h"
#include "launcher/run_plan.h"
#include "runtime/copy_rates.h"

namespace cairn {

struct BenchRequest {
  Device::Kind device = Device::Kind::kCpu;
  BackendOptions backend;
  const PlanRequest* run = nullptr;  // whose step is measured, or none
  Config config;                     // of that run: how its ranks exchange
  std::string activations;           // the policy of that run
  bool kernels = true;
  bool collectives = true;
  bool copies = true;
  // So long are whole steps measured, after as long a warm-up; 0: they are not.
  // The run has one rank then.
  double step_seconds = 0;
  // Also a grid of operations from which those of other runs are estimated.
  bool grid = false;
  std::ostream* progress = nullptr;  // where lines say how far it is, or none
};

// The most that the device was seen to do.
struct Ceilings {
  double bytes_per_second = 0;  // copied within it: read and written
  double f32_flops_per_second = 0;
  double bf16_flops_per_second = 0;  // 0: widened to f32
};

struct KernelRate {
  std::string key;
  std::int64_t calls = 0;  // in a step of the run
  double seconds = 0;      // of one call
  // What a call cannot do without: the bare products at their measured speed,
  // attention as measured, everything else its bytes at the ceiling.
  double floor_seconds = 0;
  OpProfile profile;
  double fraction = 0;  // of the ceiling: of flops, or of bytes for a pass

  // Of a step, over the floor.
  double lost_seconds() const {
    return static_cast<double>(calls) * (seconds - floor_seconds);
  }
};

// Whole steps of the run, on random tokens.
struct StepRate {
  double seconds = 0;            // of one: the median
  double predicted_seconds = 0;  // by a plan from the costs of the same bench
  std::optional<double> watts;   // while they ran
  std::optional<double> sm_clock_mhz;
};

struct ExchangeRate {
  Exchange kind = Exchange::kBarrier;
  std::size_t bytes = 0;
  double seconds = 0;
  // Bytes a second that each link carries, whatever the number of ranks.
  double bus_bytes_per_second = 0;
};

struct BenchReport {
  std::string device;  // "cpu", or the card's name
  Ceilings ceilings;
  std::vector<KernelRate> kernels;  // of the run's step, by what they lose
  int ranks = 1;                    // that exchanged
  std::vector<ExchangeRate> exchanges;
  std::optional<CopyRates> copies;
  std::optional<StepRate> step;
  CostModel costs;

  double kernel_seconds() const;  // of a step
  double floor_seconds() const;
};

BenchReport run_bench(const BenchRequest& request);

void print_bench(const BenchReport& report, std::ostream& out);
std::string bench_json(const BenchReport& report);

// The costs of a run on this machine: its kernels, as many ranks at once as
// there are cores for, and what else bench measures.
CostModel measure_costs(const PlanRequest& request, const std::string& policy);

}  // namespace cairn
