#include "launcher/step_program.h"

#include <algorithm>
#include <string>

#include "parallel/check.h"
#include "parallel/passes.h"
#include "parallel/schedule.h"
#include "parallel/stage_cuts.h"
#include "runtime/error.h"

namespace cairn {
namespace {

std::vector<int> cuts_of(const Model& model, const EngineOptions& options,
                         int stages) {
  const std::vector<int>& given = options.parallel.cuts;
  if (!given.empty()) {
    try {
      require_cut(given, model.blocks(), stages);
    } catch (const Error& error) {
      throw Error(error.code(), "parallel.cuts: " + error.message());
    }
    return given;
  }
  std::vector<double> costs;
  costs.reserve(static_cast<std::size_t>(model.blocks()));
  for (int b = 0; b < model.blocks(); ++b) {
    costs.push_back(model.block(b).flops(options.batch));
  }
  return cut_stages(costs, stages);
}

int stage_of_block(const StagePlan& plan, int block) {
  int stage = 0;
  while (plan.blocks[stage].end <= block) ++stage;
  return stage;
}

[[noreturn]] void refuse_sharing(const Model& model, int parameter, int home,
                                 int user) {
  throw Error(Code::kBadArgument,
              "blocks " + std::to_string(home) + " and " +
                  std::to_string(user) + " share " +
                  model.layout().entries()[parameter].spec.name +
                  " and would be on different pipeline ranks, where only the "
                  "first and the last block may; set parallel.cuts to keep "
                  "them together, or parallel.pipeline = 1");
}

// The first block that declares the parameter.
int home_of(const Model& model, int parameter) {
  for (int b = 0;; ++b) {
    const std::vector<int>& theirs = model.parameters_of(b);
    if (std::find(theirs.begin(), theirs.end(), parameter) != theirs.end()) {
      return b;
    }
  }
}

bool shares_between_ranks(const Model& model, const StagePlan& plan) {
  const auto rank_of_block = [&](int block) {
    return plan.shape.rank_of(stage_of_block(plan, block));
  };
  bool shared = false;
  for (int b = 0; b < model.blocks(); ++b) {
    for (const int parameter : model.parameters_of(b)) {
      const int home = home_of(model, parameter);
      if (rank_of_block(home) == rank_of_block(b)) continue;
      if (home != 0 || b + 1 != model.blocks()) {
        refuse_sharing(model, parameter, home, b);
      }
      shared = true;
    }
  }
  return shared;
}

std::vector<int> block_counts(const StagePlan& plan) {
  std::vector<int> counts;
  for (const Range& blocks : plan.blocks) {
    counts.push_back(static_cast<int>(blocks.size()));
  }
  return counts;
}

bool gathers(const ParallelOptions& parallel) {
  return parallel.sharding >= 3 && parallel.data > 1;
}

// A user's own is checked as he wrote it, so that what is said of it is said of
// his text.
Schedule bare_schedule(const PipelineShape& shape,
                       const ParallelOptions& parallel) {
  if (parallel.schedule_text.empty()) {
    return schedule_named(parallel.schedule, shape);
  }
  Schedule own = schedule_from_text(parallel.schedule_text, shape);
  check(own);
  return own;
}

// What both schedules go through.
Schedule completed(Schedule schedule, const StagePlan& plan,
                   const ParallelOptions& parallel) {
  schedule = with_transfers(std::move(schedule), parallel.receive_ahead);
  schedule = with_blocks(std::move(schedule), block_counts(plan));
  if (gathers(parallel)) {
    schedule = with_gathers(std::move(schedule), parallel.gather_ahead);
  }
  return schedule;
}

}  // namespace

Mesh make_mesh(const ParallelOptions& parallel) {
  return Mesh({{"pp", parallel.pipeline}, {"dp", parallel.data}});
}

StagePlan plan_stages(const Model& model, const EngineOptions& options) {
  const ParallelOptions& parallel = options.parallel;
  StagePlan plan;
  plan.shape = {.ranks = parallel.pipeline,
                .chunks = parallel.chunks,
                .microbatches = options.microbatches};
  int first = 0;
  for (const int count : cuts_of(model, options, plan.shape.stages())) {
    plan.blocks.push_back({first, first + count});
    first += count;
  }
  plan.shared = shares_between_ranks(model, plan);
  return plan;
}

StepProgram step_program(const StagePlan& plan, const EngineOptions& options) {
  const ParallelOptions& parallel = options.parallel;
  Schedule schedule = bare_schedule(plan.shape, parallel);
  schedule = completed(std::move(schedule), plan, parallel);
  schedule = with_reductions(std::move(schedule), parallel.gradient_groups);
  if (plan.shared) schedule = with_shared(std::move(schedule));

  CheckOptions asked;
  asked.blocks = block_counts(plan);
  asked.transfers = true;
  asked.gathers = gathers(parallel);
  asked.reductions = parallel.gradient_groups;
  asked.shared = plan.shared;
  // Most schedules need one parcel a channel; breadth-first ones need more.
  for (;; asked.channel_capacity *= 2) {
    try {
      check(schedule, asked);
      return {std::move(schedule), asked.channel_capacity};
    } catch (const Error&) {
      if (asked.channel_capacity >= options.microbatches) throw;
    }
  }
}

Schedule forward_schedule(const StagePlan& plan, const EngineOptions& options) {
  PipelineShape shape = plan.shape;
  shape.microbatches = 1;
  Schedule schedule = completed(forward_only(shape), plan, options.parallel);
  CheckOptions asked;
  asked.blocks = block_counts(plan);
  asked.forward_only = true;
  asked.transfers = true;
  asked.gathers = gathers(options.parallel);
  check(schedule, asked);
  return schedule;
}

}  // namespace cairn
