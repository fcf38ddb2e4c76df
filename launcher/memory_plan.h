// What a run will need in memory, found by running its first steps on a device
// that only pretends: the same engine, blocks, store and arena, with kernels
// that do nothing and addresses that are never touched. The placement of every
// buffer is therefore the real one, and the numbers are exact to the byte.

#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "launcher/engine_state.h"
#include "runtime/model.h"

namespace cairn {

// Of one rank.
struct RankMemory {
  std::size_t arena_bytes = 0;  // what is reserved on the device
  std::size_t peak_bytes = 0;   // the most that is in use at once
  std::array<std::size_t, kOwners> at_peak{};  // by owner; adds up to the peak

  // Bytes that lie between buffers at the peak.
  std::size_t gaps() const { return arena_bytes - peak_bytes; }
};

struct MemoryPlan {
  std::string activations;  // the policy: "keep", "cheap" or "boundary"
  std::vector<RankMemory> ranks;

  // The rank that needs most.
  int largest() const;
};

struct PlanRequest {
  const Model& model;
  EngineOptions options;
  int threads = 0;            // of each rank
  bool samples_text = false;  // logits are asked for after training
};

// The plan under one policy.
MemoryPlan plan_memory(const PlanRequest& request, const std::string& policy);

// The plan with the least recompute whose every rank fits into `budget` bytes
// (0: no limit), or under `policy` if that is not "auto". Throws kOutOfMemory,
// with what each policy would need, if none fits.
MemoryPlan choose_plan(const PlanRequest& request, const std::string& policy,
                       std::size_t budget);

}  // namespace cairn
