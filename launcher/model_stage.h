// The whole model as one stage of a pipeline of one, with every parameter in
// memory: what the executor and the engine's forward passes call blocks with.

#pragma once

#include <vector>

#include "launcher/engine_state.h"
#include "parallel/executor.h"

namespace cairn {

class ModelStage final : public Stage {
 public:
  ModelStage(const Model& model, const EngineOptions& options,
             EngineState& state)
      : model_(model), options_(options), state_(state) {}

  // What the calls of this step share.
  void begin(std::uint64_t number) {
    first_sample_ = number * static_cast<std::uint64_t>(options_.microbatches *
                                                        options_.batch.samples);
  }

  int blocks() const override { return model_.blocks(); }
  const Block& block(int index) const override { return model_.block(index); }

  Tensor input(int microbatch) override {
    return Tensor::borrowed(part(state_.inputs, microbatch));
  }

  Call call(int index, int microbatch) override {
    Call call = plain_call(index);
    gather_gradients(index);
    call.gradients = gradients_;
    call.accumulate = microbatch > 0;
    call.training = true;
    call.first_sample =
        first_sample_ + static_cast<std::uint64_t>(microbatch) *
                            static_cast<std::uint64_t>(options_.batch.samples);
    call.token_rows = part(state_.token_rows, microbatch);
    call.targets = part(state_.targets, microbatch);
    call.loss = state_.losses.view().part(microbatch, {1});
    call.loss_scale = 1.0F / static_cast<float>(options_.batch.tokens() *
                                                options_.microbatches);
    return call;
  }

  // A call without gradients or dropout, on a batch of any shape.
  Call plain_call(int index) {
    parameters_.clear();
    for (const int parameter : model_.parameters_of(index)) {
      parameters_.push_back(state_.parameter(parameter));
    }
    Call call{*state_.kernels, *state_.stream, state_.memory};
    call.batch = options_.batch;
    call.parameters = parameters_;
    call.seed = options_.seed;
    call.block = index;
    return call;
  }

 private:
  TensorView part(const Tensor& all, int microbatch) const {
    const std::int64_t tokens = options_.batch.tokens();
    return all.view().part(microbatch * tokens, {tokens});
  }

  void gather_gradients(int index) {
    gradients_.clear();
    for (const int parameter : model_.parameters_of(index)) {
      gradients_.push_back(state_.gradient(parameter));
    }
    const auto& rows = model_.row_gradients();
    for (std::size_t r = 0; r < rows.size(); ++r) {
      if (rows[r].block != index) continue;
      gradients_[rows[r].slot] = state_.row_gradients[r];
    }
  }

  const Model& model_;
  const EngineOptions& options_;
  EngineState& state_;
  std::uint64_t first_sample_ = 0;
  std::vector<TensorView> parameters_;
  std::vector<TensorView> gradients_;
};

}  // namespace cairn
