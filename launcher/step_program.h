// From a model and a layout to what every rank does in a step: blocks cut into
// stages, a schedule, the passes that complete it, and its proof.

#pragma once

#include <vector>

#include "launcher/engine_state.h"
#include "parallel/action.h"
#include "parallel/mesh.h"
#include "sharding/unit_layout.h"

namespace cairn {

// Axes "pp" and "dp"; the replicas of a stage have neighbouring ranks.
Mesh make_mesh(const ParallelOptions& parallel);

struct StagePlan {
  PipelineShape shape;
  std::vector<Range> blocks;  // of the model, by stage

  // Whether the last stage uses a parameter whose home is a first stage on
  // another rank.
  bool shared = false;
};

// Throws kBadArgument, with the numbers, for more stages than blocks, cuts that
// do not add up, or a parameter that other stages than the first and last
// share.
StagePlan plan_stages(const Model& model, const EngineOptions& options);

// What every rank does in a training step, checked.
struct StepProgram {
  Schedule schedule;
  int channel_capacity = 1;  // parcels that a channel must hold
};
StepProgram step_program(const StagePlan& plan, const EngineOptions& options);

// The same for one micro-batch forward.
Schedule forward_schedule(const StagePlan& plan, const EngineOptions& options);

}  // namespace cairn
