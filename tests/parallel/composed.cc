#include "tests/parallel/composed.h"

namespace cairn {

std::vector<int> uneven_blocks(const PipelineShape& shape) {
  std::vector<int> blocks;
  for (int stage = 0; stage < shape.stages(); ++stage) {
    blocks.push_back((stage + 1) % 3 + 1);
  }
  return blocks;
}

int capacity_for(const std::string& name, const PipelineShape& shape) {
  return name == "gpipe" && shape.chunks > 1 ? shape.microbatches : 1;
}

Composed compose(const std::string& name, const PipelineShape& shape,
                 const Composition& composition) {
  Composed composed;
  Schedule schedule = schedule_named(name, shape);
  schedule = with_transfers(std::move(schedule), composition.receive_ahead);
  schedule = with_blocks(std::move(schedule), composition.blocks);
  schedule = with_gathers(std::move(schedule), composition.gather_ahead);
  schedule = with_reductions(std::move(schedule), composition.groups);
  composed.schedule = with_shared(std::move(schedule));
  composed.options = {.blocks = composition.blocks,
                      .transfers = true,
                      .gathers = true,
                      .reductions = composition.groups,
                      .shared = true,
                      .channel_capacity = capacity_for(name, shape)};
  return composed;
}

std::vector<std::string> names_for(const PipelineShape& shape) {
  if (shape.chunks == 1) return schedule_names();
  return {"gpipe", "interleaved"};
}

}  // namespace cairn
