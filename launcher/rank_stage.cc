#include "launcher/rank_stage.h"

namespace cairn {

RankStage::RankStage(const Model& model, const EngineOptions& options,
                     const EngineState& state, ShardedParameters& parameters,
                     const StepContext& context, Range blocks)
    : model_(model),
      options_(options),
      state_(state),
      parameters_(parameters),
      context_(context),
      blocks_(blocks) {}

const Block& RankStage::block(int index) const {
  return model_.block(model_index(index));
}

TensorView RankStage::part(const Tensor& all, int microbatch) const {
  if (!all) return {};
  const std::int64_t tokens = context_.batch.tokens();
  return all.view().part(microbatch * tokens, {tokens});
}

Tensor RankStage::tokens(int microbatch) {
  return Tensor::borrowed(part(state_.inputs, microbatch));
}

Shape RankStage::input_shape() const {
  return model_.block(model_index(0) - 1).output_shape(context_.batch);
}

Shape RankStage::gradient_shape() const {
  return block(blocks() - 1).output_shape(context_.batch);
}

// All but the parameters and what only one direction has.
Call RankStage::call_for(int index, int microbatch) {
  Call call{*state_.kernels, *state_.stream, state_.memory};
  call.dtype = dtype();
  call.batch = context_.batch;
  call.training = context_.training;
  call.deterministic = options_.deterministic;
  call.seed = options_.seed;
  call.first_sample = context_.first_sample +
                      static_cast<std::uint64_t>(microbatch) *
                          static_cast<std::uint64_t>(context_.batch.samples);
  call.block = model_index(index);
  call.targets = part(state_.targets, microbatch);
  call.loss = context_.losses.part(context_.training ? microbatch : 0, {1});
  call.logits = context_.logits;
  return call;
}

Call RankStage::forward_call(int index, int microbatch) {
  Call call = call_for(index, microbatch);
  parameters_.parameters_of(call.block, weights_);
  call.parameters = weights_;
  return call;
}

Call RankStage::backward_call(int index, int microbatch) {
  Call call = call_for(index, microbatch);
  if (block(index).backward_reads_parameters()) {
    parameters_.parameters_of(call.block, weights_);
    call.parameters = weights_;
  }
  const int group = microbatch / options_.group_microbatches();
  parameters_.gradients_of(call.block, group, gradients_);
  call.gradients = gradients_;
  call.accumulate = microbatch % options_.group_microbatches() > 0;
  call.token_rows = part(state_.token_rows, microbatch);
  call.loss_scale = 1.0F / static_cast<float>(context_.batch.tokens() *
                                              options_.all_microbatches());
  return call;
}

void RankStage::reduce(int index, int microbatch) {
  const int group = microbatch / options_.group_microbatches();
  TensorView tokens;
  if (state_.row_tokens) {
    const std::int64_t row = state_.row_tokens.shape()[1];
    const auto which = static_cast<std::size_t>(group);
    tokens = state_.row_tokens.view().part(group * row, {context_.rows[which]});
  }
  parameters_.reduce(model_index(index), group, tokens);
}

}  // namespace cairn
