#include "launcher/engine.h"

#include <algorithm>
#include <utility>

#include "launcher/model_stage.h"
#include "runtime/error.h"

namespace cairn {

// The host's side of a step in flight: what is copied to the device, and what
// comes back. Two take turns, so that a step may run while the one before is
// read.
struct Engine::Slot {
  std::uint64_t number = 0;
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;
  std::vector<std::int32_t> token_rows;
  std::vector<std::int32_t> row_tokens;
  std::vector<float> losses;
  float norm = 0;
  std::shared_ptr<Event> before;  // the end of what ran before the step
  std::shared_ptr<Event> begin;
  std::shared_ptr<Event> end;
  std::vector<Timeline::Record> spans;
};

Engine::Engine(Backend& backend, MemoryResource& memory, const Model& model,
               Policy policy, const EngineOptions& options)
    : model_(model),
      options_(options),
      state_(backend, memory, model, options),
      store_(std::move(policy), timeline_),
      stage_(model_, options_, state_),
      executor_(stage_, store_, timeline_),
      program_(one_f_one_b({.microbatches = options.microbatches}).programs[0]),
      rows_(model.vocab()) {
  const auto tokens =
      static_cast<std::size_t>(options.batch.tokens() * options.microbatches);
  for (int s = 0; s < 2; ++s) {
    auto slot = std::make_unique<Slot>();
    slot->inputs.resize(tokens);
    slot->targets.resize(tokens);
    slot->token_rows.resize(tokens);
    slot->row_tokens.reserve(tokens);
    slot->losses.resize(static_cast<std::size_t>(options.microbatches));
    slots_.push_back(std::move(slot));
  }
  state_.kernels->fill(*state_.stream, state_.factor, 1.0F);
}

// Work in flight uses the slots' memory.
Engine::~Engine() {
  try {
    state_.stream->synchronize();
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // Whoever waits for an outcome has been told.
  }
}

void Engine::draw_weights() {
  Kernels& kernels = *state_.kernels;
  Stream& stream = *state_.stream;
  for (const Tensor* flat :
       {&state_.parameters, &state_.gradients, &state_.m, &state_.v}) {
    kernels.fill(stream, *flat, 0.0F);
  }
  const auto& entries = state_.layout.entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const ParameterSpec& spec = entries[i].spec;
    const TensorView view = state_.parameter(static_cast<int>(i));
    if (spec.init == Init::kOnes) kernels.fill(stream, view, 1.0F);
    if (spec.init != Init::kNormal) continue;
    kernels.fill_normal(stream, {view, spec.deviation, options_.seed,
                                 static_cast<std::uint32_t>(i), 0});
  }
}

void Engine::fill_slot(Slot& slot, std::uint64_t number,
                       const StepBatch& batch) {
  if (slot.end) slot.end->synchronize();
  require(batch.inputs.size() == slot.inputs.size() &&
              batch.targets.size() == slot.targets.size(),
          "a step takes micro-batches x samples x sequence tokens");
  slot.number = number;
  std::copy(batch.inputs.begin(), batch.inputs.end(), slot.inputs.begin());
  std::copy(batch.targets.begin(), batch.targets.end(), slot.targets.begin());
  rows_.clear();
  rows_.add(slot.inputs, slot.token_rows);
  slot.row_tokens.assign(rows_.tokens().begin(), rows_.tokens().end());
}

void Engine::step(std::uint64_t number, const StepBatch& batch, float lr) {
  Slot& slot = *slots_[number % slots_.size()];
  fill_slot(slot, number, batch);
  slot.before = last_end_;
  slot.begin = state_.stream->record();
  upload(slot);
  stage_.begin(number);
  executor_.run(program_);
  {
    const Timeline::Span span =
        timeline_.open(*state_.stream, Phase::kOptimizer, "update");
    scatter_row_gradients(static_cast<std::int64_t>(slot.row_tokens.size()));
    enqueue_update(number, lr);
  }
  state_.backend.download(*state_.stream, slot.losses.data(), state_.losses);
  state_.backend.download(*state_.stream, &slot.norm, state_.norm);
  slot.end = state_.stream->record();
  slot.spans = timeline_.take();
  last_end_ = slot.end;
}

void Engine::upload(Slot& slot) {
  const Timeline::Span span =
      timeline_.open(*state_.stream, Phase::kData, "tokens");
  Backend& backend = state_.backend;
  Stream& stream = *state_.stream;
  backend.upload(stream, state_.inputs, slot.inputs.data());
  backend.upload(stream, state_.targets, slot.targets.data());
  backend.upload(stream, state_.token_rows, slot.token_rows.data());
  const auto rows = static_cast<std::int64_t>(slot.row_tokens.size());
  backend.upload(stream, state_.row_tokens.view().part(0, {rows}),
                 slot.row_tokens.data());
  for (const Tensor& gradient : state_.row_gradients) {
    const std::int64_t width = gradient.shape()[1];
    state_.kernels->fill(stream, gradient.view().part(0, {rows, width}), 0.0F);
  }
}

void Engine::scatter_row_gradients(std::int64_t rows) {
  const auto& row_gradients = model_.row_gradients();
  for (std::size_t r = 0; r < row_gradients.size(); ++r) {
    const Tensor& compact = state_.row_gradients[r];
    ScatterRows op;
    op.drows = compact.view().part(0, {rows, compact.shape()[1]});
    op.tokens = state_.row_tokens.view().part(0, {rows});
    op.dtable = state_.gradient(row_gradients[r].parameter);
    op.accumulate = row_gradients[r].shared;
    state_.kernels->scatter_rows(*state_.stream, op);
  }
}

StepOutcome Engine::outcome(std::uint64_t number) {
  Slot& slot = *slots_[number % slots_.size()];
  require(slot.end != nullptr && slot.number == number,
          "only the last two steps' outcomes are kept");
  slot.end->synchronize();
  StepOutcome outcome;
  double sum = 0;
  for (const float loss : slot.losses) sum += static_cast<double>(loss);
  outcome.loss =
      static_cast<float>(sum / static_cast<double>(slot.losses.size()));
  outcome.grad_norm = slot.norm;
  const Event& from = slot.before ? *slot.before : *slot.begin;
  outcome.step_ms = 1e3 * slot.end->seconds_since(from);
  outcome.ms = milliseconds(slot.spans);
  auto& data = outcome.ms[static_cast<int>(Phase::kData)];
  data += 1e3 * slot.begin->seconds_since(from);
  double known = 0;
  for (const double part : outcome.ms) known += part;
  outcome.ms[static_cast<int>(Phase::kOther)] += outcome.step_ms - known;
  return outcome;
}

}  // namespace cairn
