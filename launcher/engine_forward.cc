// What runs forward only: evaluation, and logits.

#include "launcher/engine.h"
#include "runtime/error.h"

namespace cairn {

void Engine::begin_forward(const BatchShape& batch, const TensorView& logits) {
  context_.batch = batch;
  context_.training = false;
  context_.losses = state_.loss;
  context_.logits = logits;
}

std::vector<float> Engine::evaluate(std::span<const std::int32_t> inputs,
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
  if (state_.inputs) {
    state_.backend.upload(stream, state_.inputs.view().part(0, {tokens}),
                          inputs.data());
  }
  if (state_.targets) {
    state_.backend.upload(stream, state_.targets.view().part(0, {tokens}),
                          targets.data());
  }
  begin_forward(options_.batch, {});
  executor_.run(forward_program_);
  if (report_pipeline_) {
    report_pipeline_->broadcast(stream, state_.loss,
                                options_.parallel.pipeline - 1);
  }
  TensorView losses = state_.loss;
  if (report_data_) {
    losses = state_.reports.view().part(0, {options_.parallel.data});
    report_data_->all_gather(stream, state_.loss, losses);
  }
  std::vector<float> all = download(losses);
  timeline_.take();
  last_end_ = stream.record();
  return all;
}

std::vector<float> Engine::logits(std::span<const std::int32_t> tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (count < 1 || count > options_.batch.tokens()) {
    throw Error(Code::kBadArgument,
                "logits follow 1 to " +
                    std::to_string(options_.batch.tokens()) +
                    " tokens, and were asked of " + std::to_string(count));
  }
  if (state_.inputs) {
    state_.backend.upload(*state_.stream, state_.inputs.view().part(0, {count}),
                          tokens.data());
  }
  const Tensor out(state_.memory, *state_.stream, Owner::kWorkspace,
                   options_.dtype, {1, model_.vocab()});
  begin_forward({1, count}, out);
  executor_.run(forward_program_);
  if (report_pipeline_) {
    report_pipeline_->broadcast(*state_.stream, out,
                                options_.parallel.pipeline - 1);
  }
  std::vector<float> values = download(out);
  timeline_.take();
  return values;
}

}  // namespace cairn
