#include "parallel/check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "parallel/paper/program_proof.h"
#include "parallel/paper/walk.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr int kMost = std::numeric_limits<std::int16_t>::max();

void require_sizes(const Schedule& schedule, const CheckOptions& options) {
  const PipelineShape& shape = schedule.shape;
  require(shape.ranks >= 1 && shape.chunks >= 1 && shape.microbatches >= 1,
          "a schedule has at least one rank, chunk and micro-batch");
  require(shape.ranks <= kMost && shape.chunks <= kMost / shape.ranks &&
              shape.microbatches <= kMost,
          "a schedule has at most 32767 stages and micro-batches");
  const auto match = [](std::size_t found, int wanted, const char* what) {
    if (found == static_cast<std::size_t>(wanted)) return;
    throw Error(Code::kBadArgument, "the check of a schedule was given " +
                                        std::to_string(found) + " " + what +
                                        ", not " + std::to_string(wanted));
  };
  match(schedule.programs.size(), shape.ranks, "ranks' programs");
  if (!options.blocks.empty()) {
    match(options.blocks.size(), shape.stages(), "stages' numbers of blocks");
  }
  if (!options.stage_costs.empty()) {
    match(options.stage_costs.size(), shape.stages(), "stages' costs");
  }
}

bool is_time(double cost) { return std::isfinite(cost) && cost >= 0; }

bool is_cost(const StageCost& cost) {
  return is_time(cost.forward) && is_time(cost.backward_input) &&
         is_time(cost.backward_weight);
}

void require_options(const PipelineShape& shape, const CheckOptions& options) {
  require(
      std::all_of(options.blocks.begin(), options.blocks.end(),
                  [](int blocks) { return blocks >= 1 && blocks <= kMost; }),
      "a stage has at least 1 block and at most 32767");
  require(
      is_cost(options.cost) && std::all_of(options.stage_costs.begin(),
                                           options.stage_costs.end(), is_cost),
      "the cost of an action is a finite time of at least 0");
  require(options.channel_capacity >= 1, "a channel holds at least one parcel");
  if (options.reductions < 0 ||
      (options.reductions > 0 &&
       shape.microbatches % options.reductions != 0)) {
    throw Error(Code::kBadArgument, std::to_string(shape.microbatches) +
                                        " micro-batches do not divide into " +
                                        std::to_string(options.reductions) +
                                        " equal groups to reduce");
  }
}

}  // namespace

Forecast check(const Schedule& schedule, const CheckOptions& options) {
  require_sizes(schedule, options);
  require_options(schedule.shape, options);
  for (int rank = 0; rank < schedule.shape.ranks; ++rank) {
    paper::prove_program(schedule, options, rank);
  }
  return paper::walk(schedule, options);
}

}  // namespace cairn
