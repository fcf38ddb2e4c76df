// What reads or sets the engine's weights.

#include <xxhash.h>

#include <cstdio>

#include "launcher/engine.h"
#include "runtime/error.h"

namespace cairn {

// As f32, of whatever type it is.
std::vector<float> Engine::download(const TensorView& view) {
  if (view.dtype != DType::kF32) {
    const Tensor wide(state_.memory, *state_.stream, Owner::kWorkspace,
                      DType::kF32, view.shape);
    state_.kernels->cast(*state_.stream, view, wide);
    return download(wide);
  }
  std::vector<float> values(static_cast<std::size_t>(view.elements()));
  state_.backend.download(*state_.stream, values.data(), view);
  state_.stream->synchronize();
  return values;
}

// A parameter's weights or gradient, where this rank holds all of it. Of
// gradients a rank holds what it updates: the rest was never summed here.
TensorView Engine::held(const std::string& name, bool gradient) {
  const int parameter = model_.layout().index_of(name);
  for (const ShardedParameters::Unit& unit : parameters_.units()) {
    const UnitLayout::Entry* entry = unit.layout.find(parameter);
    if (entry == nullptr || (gradient && unit.copy)) continue;
    Range range = parameters_.own(unit);
    const TensorView flat = gradient ? parameters_.own_gradients(unit)
                                     : parameters_.held_weights(unit);
    if (!flat) continue;  // a copy in bf16
    if (flat.elements() > range.size()) range = {0, flat.elements()};
    if (overlap(entry->range(), range) != entry->range()) break;
    // New weights may be on their way from other ranks.
    if (!gradient && unit.ready) state_.stream->wait(unit.ready);
    return flat.part(entry->offset - range.first, entry->shape);
  }
  throw Error(Code::kBadArgument, "this rank does not hold all of " + name);
}

std::vector<float> Engine::parameter(const std::string& name) {
  return download(held(name, /*gradient=*/false));
}

std::vector<float> Engine::gradient(const std::string& name) {
  if (!options_.keep_gradients) {
    throw Error(Code::kBadArgument,
                "reading the gradient of " + name +
                    ": the optimizer lets gradients go as it updates; set "
                    "EngineOptions::keep_gradients to keep them until the "
                    "next step");
  }
  return download(held(name, /*gradient=*/true));
}

void Engine::set_parameter(const std::string& name,
                           std::span<const float> values) {
  const int parameter = model_.layout().index_of(name);
  const Shape& shape = model_.layout().entries()[parameter].spec.shape;
  if (static_cast<std::int64_t>(values.size()) != shape.elements()) {
    throw Error(Code::kBadArgument,
                name + " has " + std::to_string(shape.elements()) +
                    " elements and was given " + std::to_string(values.size()));
  }
  const Tensor given(state_.memory, *state_.stream, Owner::kTransients,
                     DType::kF32, shape);
  state_.backend.upload(*state_.stream, given, values.data());
  state_.stream->synchronize();  // values may go, even if what follows throws
  parameters_.set(parameter, given);
  state_.stream->synchronize();
  timeline_.take();  // belongs to no step
}

// The flat weights of a block's unit, on the ranks of the first stage.
Tensor Engine::weights_at_first_stage(int block, const UnitLayout& layout) {
  int home = 0;
  while (stage_plan_.blocks[home].end <= block) ++home;
  home = stage_plan_.shape.rank_of(home);
  Tensor weights;
  if (places_.pipeline == home) {
    weights = parameters_.whole_weights(*parameters_.unit_of(block));
  }
  if (home == 0) return weights;
  const Shape all{layout.padded(1)};
  Stream& stream = *state_.stream;
  if (places_.pipeline == home) {
    report_pipeline_->send(stream, weights.view().part(0, all), 0);
  } else if (holds_first()) {
    weights =
        Tensor(state_.memory, stream, Owner::kTransients, DType::kF32, all);
    report_pipeline_->receive(stream, weights, home);
  }
  return weights;
}

void Engine::visit_weights(const WeightVisitor& visit) {
  for (int block = 0; block < model_.blocks(); ++block) {
    const UnitLayout layout(model_, block);
    if (layout.empty()) continue;
    const Tensor weights = weights_at_first_stage(block, layout);
    if (!holds_first()) continue;
    for (const UnitLayout::Entry& entry : layout.entries()) {
      visit(model_.layout().entries()[entry.parameter].spec,
            weights.view().part(entry.offset, entry.shape));
    }
  }
}

std::string Engine::weights_hash() {
  XXH3_state_t* hash = XXH3_createState();
  XXH3_128bits_reset(hash);
  visit_weights([&](const ParameterSpec&, const TensorView& weights) {
    const std::vector<float> values = download(weights);
    XXH3_128bits_update(hash, values.data(), values.size() * sizeof(float));
  });
  const XXH128_hash_t digest = XXH3_128bits_digest(hash);
  XXH3_freeState(hash);
  state_.stream->synchronize();
  if (!holds_first()) return {};
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(digest.high64),
                static_cast<unsigned long long>(digest.low64));
  return text;
}

}  // namespace cairn
