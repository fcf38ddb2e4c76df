// What runs forward only, evaluation and logits, and the search for the place
// where a run diverged.

#include <utility>

#include "launcher/engine.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// "block 3 of 8 (block.2)": by the name its parameters share.
std::string name_of_block(const Model& model, int index) {
  std::string name = "no parameters";
  const std::vector<ParameterSpec> specs = model.block(index).parameters();
  if (!specs.empty()) {
    const std::string& first = specs.front().name;
    const bool layer = first.rfind("block.", 0) == 0;
    name = first.substr(0, first.find('.', layer ? 6 : 0));
  }
  return "block " + std::to_string(index + 1) + " of " +
         std::to_string(model.blocks()) + " (" + name + ")";
}

}  // namespace

// Runs every block on `tokens`; the last one's results go where `ends` says.
void Engine::run_forward(const BatchShape& batch, const Tensor& tokens,
                         const TensorView& targets, const TensorView& logits) {
  Tensor value = tokens;
  for (int b = 0; b < model_.blocks(); ++b) {
    Call call = stage_.plain_call(b);
    call.batch = batch;
    call.targets = targets;
    call.loss = state_.norm;
    call.logits = logits;
    value = model_.block(b).forward(call, value, nullptr);
  }
}

float Engine::evaluate(std::span<const std::int32_t> inputs,
                       std::span<const std::int32_t> targets) {
  const std::int64_t tokens = options_.batch.tokens();
  if (static_cast<std::int64_t>(inputs.size()) != tokens ||
      inputs.size() != targets.size()) {
    throw Error(Code::kBadArgument, "an evaluation takes one micro-batch of " +
                                        std::to_string(tokens) +
                                        " tokens and was given " +
                                        std::to_string(inputs.size()));
  }
  Stream& stream = *state_.stream;
  const TensorView in = state_.inputs.view().part(0, {tokens});
  const TensorView to = state_.targets.view().part(0, {tokens});
  state_.backend.upload(stream, in, inputs.data());
  state_.backend.upload(stream, to, targets.data());
  run_forward(options_.batch, Tensor::borrowed(in), to, {});
  float loss = 0;
  state_.backend.download(stream, &loss, state_.norm);
  stream.synchronize();
  last_end_ = stream.record();
  return loss;
}

std::vector<float> Engine::logits(std::span<const std::int32_t> tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (count < 1 || count > options_.batch.tokens()) {
    throw Error(Code::kBadArgument,
                "logits follow 1 to " +
                    std::to_string(options_.batch.tokens()) +
                    " tokens, and were asked of " + std::to_string(count));
  }
  const TensorView in = state_.inputs.view().part(0, {count});
  state_.backend.upload(*state_.stream, in, tokens.data());
  const std::int64_t vocab = model_.vocab();
  const Tensor out(state_.memory, *state_.stream, Owner::kWorkspace,
                   DType::kF32, {1, vocab});
  run_forward({1, count}, Tensor::borrowed(in), {}, out);
  return download(out);
}

bool Engine::finite(const TensorView& view) {
  state_.kernels->all_finite(*state_.stream, view, state_.finite);
  return download(state_.finite).front() == 1.0F;
}

std::string Engine::check_weights() {
  const auto& entries = state_.layout.entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!finite(state_.parameter(static_cast<int>(i)))) {
      return "the weights " + entries[i].spec.name;
    }
  }
  return {};
}

std::string Engine::check_forward(int microbatch) {
  Tensor value = stage_.input(microbatch);
  for (int b = 0; b < model_.blocks(); ++b) {
    const Call call = stage_.call(b, microbatch);
    Saved saved;
    value = model_.block(b).forward(call, value, &saved);
    store_.put({0, b, microbatch}, model_.block(b), call, std::move(saved));
    if (value && !finite(value)) {
      return "the output of " + name_of_block(model_, b);
    }
  }
  return {};
}

std::string Engine::check_backward(int microbatch) {
  Tensor gradient;
  for (int b = model_.blocks() - 1; b >= 0; --b) {
    const Call call = stage_.call(b, microbatch);
    Saved saved = store_.take({0, b, microbatch}, model_.block(b), call);
    gradient =
        model_.block(b).backward(call, std::move(gradient), std::move(saved));
    if (call.loss && b == model_.blocks() - 1 && !finite(call.loss)) {
      return "the loss of " + name_of_block(model_, b);
    }
    if (gradient && !finite(gradient)) {
      return "the gradient that leaves " + name_of_block(model_, b);
    }
    for (const TensorView& weights : call.gradients) {
      if (!finite(weights)) {
        return "a weight gradient of " + name_of_block(model_, b);
      }
    }
  }
  return {};
}

std::string Engine::find_divergence(std::uint64_t number,
                                    const StepBatch& batch) {
  std::string where = check_weights();
  if (!where.empty()) return where;
  Slot& slot = *slots_[number % slots_.size()];
  fill_slot(slot, number, batch);
  upload(slot);
  stage_.begin(number);
  for (int microbatch = 0; microbatch < options_.microbatches; ++microbatch) {
    where = check_forward(microbatch);
    if (where.empty()) where = check_backward(microbatch);
    if (!where.empty()) {
      return where + ", micro-batch " + std::to_string(microbatch);
    }
  }
  return "the gradient norm alone: every value is finite, their sum of squares "
         "is not";
}

}  // namespace cairn
