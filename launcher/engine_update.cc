// The part of a step after the last backward, and what reads or sets the
// engine's weights.

#include <xxhash.h>

#include <cmath>
#include <cstdio>

#include "launcher/engine.h"
#include "runtime/error.h"

namespace cairn {

void Engine::enqueue_update(std::uint64_t number, float lr) {
  Kernels& kernels = *state_.kernels;
  Stream& stream = *state_.stream;
  const auto& entries = state_.layout.entries();
  std::int64_t chunk = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::int64_t chunks =
        squared_norm_chunks(entries[i].spec.shape.elements());
    kernels.squared_norm(stream,
                         {state_.gradient(static_cast<int>(i)),
                          state_.partials.view().part(chunk, {chunks})});
    chunk += chunks;
  }
  kernels.clip_factor(
      stream, {state_.partials, state_.norm, state_.factor, options_.clip});
  AdamW op;
  op.factor = state_.factor;
  op.lr = lr;
  op.beta1 = options_.beta1;
  op.beta2 = options_.beta2;
  op.epsilon = options_.epsilon;
  const double t = static_cast<double>(number) + 1;
  op.bias1 = static_cast<float>(1 - std::pow(double{options_.beta1}, t));
  op.bias2 = static_cast<float>(1 - std::pow(double{options_.beta2}, t));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const int index = static_cast<int>(i);
    op.param = state_.parameter(index);
    op.grad = state_.gradient(index);
    op.m = state_.layout.view(state_.m, index);
    op.v = state_.layout.view(state_.v, index);
    op.decay = entries[i].spec.decays() ? options_.weight_decay : 0.0F;
    kernels.adamw(stream, op);
  }
}

std::vector<float> Engine::download(const TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.elements()));
  state_.backend.download(*state_.stream, values.data(), view);
  state_.stream->synchronize();
  return values;
}

std::vector<float> Engine::parameter(const std::string& name) {
  return download(state_.parameter(state_.layout.index_of(name)));
}

std::vector<float> Engine::gradient(const std::string& name) {
  return download(state_.gradient(state_.layout.index_of(name)));
}

void Engine::set_parameter(const std::string& name,
                           std::span<const float> values) {
  const TensorView view = state_.parameter(state_.layout.index_of(name));
  if (static_cast<std::int64_t>(values.size()) != view.elements()) {
    throw Error(Code::kBadArgument,
                name + " has " + std::to_string(view.elements()) +
                    " elements and was given " + std::to_string(values.size()));
  }
  state_.backend.upload(*state_.stream, view, values.data());
  state_.stream->synchronize();
}

std::string Engine::weights_hash() {
  XXH3_state_t* hash = XXH3_createState();
  XXH3_128bits_reset(hash);
  for (std::size_t i = 0; i < state_.layout.entries().size(); ++i) {
    const std::vector<float> values =
        download(state_.parameter(static_cast<int>(i)));
    XXH3_128bits_update(hash, values.data(), values.size() * sizeof(float));
  }
  const XXH128_hash_t digest = XXH3_128bits_digest(hash);
  XXH3_freeState(hash);
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx",
                static_cast<unsigned long long>(digest.high64),
                static_cast<unsigned long long>(digest.low64));
  return text;
}

}  // namespace cairn
