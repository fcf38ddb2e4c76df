// What a run will need and take, found by running its first steps on a machine
// that only pretends: the same engine, blocks, store, arena and programs, with
// kernels that take virtual time and addresses that are never touched.
//
// The placement of every buffer is the real one, so memory is exact to the
// byte. What would wait for ever, or touch memory without order, is found here
// and refused as kBadArgument.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "launcher/engine_state.h"
#include "launcher/trace.h"
#include "parallel/counted_world.h"
#include "runtime/backend.h"
#include "runtime/cost.h"
#include "runtime/operands.h"
#include "runtime/sim.h"

namespace cairn {

// Of one rank.
struct RankPlan {
  int stage = 0;
  std::size_t arena_bytes = 0;  // what is reserved on the device
  std::size_t peak_bytes = 0;   // the most that is in use at once
  std::array<std::size_t, kOwners> at_peak{};  // by owner; adds up to the peak
  double step_ms = 0;
  std::array<double, kPhases> ms{};  // of a step; adds up to step_ms
  Traffic sent;                      // bytes of a step, by group

  // Bytes that lie between buffers at the peak.
  std::size_t gaps() const { return arena_bytes - peak_bytes; }
};

struct RunPlan {
  std::string activations;  // the policy's name
  std::vector<RankPlan> ranks;

  // The rank that needs most memory.
  int largest() const;
  double step_ms() const;  // of the slowest rank
  double bubble() const;   // mean part of a step that ranks wait for stages
};

struct PlanRequest {
  const Model& model;
  EngineOptions options;
  int threads = 0;            // of each rank
  bool samples_text = false;  // logits are asked for after training
  CostModel costs = {};
  Device::Kind device = Device::Kind::kCpu;  // whose memory is planned

  BackendOptions backend_options() const {
    return {threads, options.deterministic};
  }
};

// The plan under one policy.
RunPlan plan_run(const PlanRequest& request, const std::string& policy);

// The plan with the least recompute whose every rank fits into `budget` bytes
// (0: no limit), or under `policy` if that is not "auto". Throws kOutOfMemory,
// with what each policy would need, if none fits.
RunPlan choose_plan(const PlanRequest& request, const std::string& policy,
                    std::size_t budget);

// The second step of one replica, stream by stream.
std::vector<TraceSpan> plan_trace(const PlanRequest& request,
                                  const std::string& policy);

// What each block takes of a step, forward and backward, on one rank alone.
std::vector<double> block_seconds(const PlanRequest& request);

// What the rank at a place of the pipeline asks its kernels for in a step, and
// how often.
std::vector<SimKernel> step_kernels(const PlanRequest& request,
                                    const std::string& policy, int place);

// Every operation that the run's kernels will be asked for, each once.
std::vector<KernelOp> plan_kernels(const PlanRequest& request,
                                   const std::string& policy);

}  // namespace cairn
