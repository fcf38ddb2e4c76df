// What reads or sets the engine's weights.

#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "launcher/engine.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// Hashes f32 that lie on a device: a piece comes while the one before is read.
// Pieces are small enough to be read from the processor's cache.
class WeightsHash {
 public:
  WeightsHash(Backend& backend, Stream& stream)
      : backend_(backend),
        stream_(stream),
        slab_(backend.host_memory(), 2 * kPiece * sizeof(float), Owner::kData,
              stream),
        state_(XXH3_createState()) {
    XXH3_128bits_reset(state_.get());
  }

  // The values have been read when what is enqueued here is over.
  void add(const TensorView& values) {
    require(values.dtype == DType::kF32, "weights are hashed as f32");
    const TensorView flat = values.part(0, {values.elements()});
    for (std::int64_t first = 0; first < flat.elements(); first += kPiece) {
      const std::int64_t count = std::min(kPiece, flat.elements() - first);
      const TensorView piece = flat.part(first, {count});
      std::byte* place = slab_.data() + turn_ * kPiece * sizeof(float);
      backend_.download(stream_, place, piece);
      turn_ = 1 - turn_;
      read(std::exchange(coming_, {place, piece.bytes(), stream_.record()}));
    }
  }

  std::string digest() {
    read(std::exchange(coming_, {}));
    const XXH128_hash_t digest = XXH3_128bits_digest(state_.get());
    char text[33];
    std::snprintf(text, sizeof(text), "%016llx%016llx",
                  static_cast<unsigned long long>(digest.high64),
                  static_cast<unsigned long long>(digest.low64));
    return text;
  }

 private:
  static constexpr std::int64_t kPiece = std::int64_t{1} << 18;

  struct Piece {
    const std::byte* place = nullptr;
    std::size_t bytes = 0;
    std::shared_ptr<Event> arrived;
  };
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };

  void read(const Piece& piece) {
    if (!piece.arrived) return;
    piece.arrived->synchronize();
    XXH3_128bits_update(state_.get(), piece.place, piece.bytes);
  }

  Backend& backend_;
  Stream& stream_;
  Buffer slab_;  // two pieces
  std::unique_ptr<XXH3_state_t, Free> state_;
  std::int64_t turn_ = 0;
  Piece coming_;
};

}  // namespace

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
  WeightsHash hash(state_.backend, *state_.stream);
  visit_weights([&](const ParameterSpec&, const TensorView& weights) {
    hash.add(weights);
  });
  const std::string digest = hash.digest();
  state_.stream->synchronize();
  return holds_first() ? digest : std::string();
}

}  // namespace cairn
