// A stage of the pipeline on this rank: a run of the model's blocks, and what
// the executor calls them with.

#pragma once

#include <string>
#include <vector>

#include "launcher/engine_state.h"
#include "parallel/executor.h"
#include "sharding/sharded_parameters.h"

namespace cairn {

// What the calls of all stages share at a time. The engine sets it.
struct StepContext {
  BatchShape batch;
  bool training = false;
  std::uint64_t first_sample = 0;  // of this replica in the step
  TensorView losses;               // one a micro-batch, or one of evaluation
  TensorView logits;               // if it is these that are asked for
  std::vector<std::int64_t> rows;  // distinct tokens of each group
};

class RankStage final : public Stage {
 public:
  // Everything outlives the stage. `blocks` is the run of the model's blocks.
  RankStage(const Model& model, const EngineOptions& options,
            const EngineState& state, ShardedParameters& parameters,
            const StepContext& context, Range blocks);

  int blocks() const override { return static_cast<int>(blocks_.size()); }
  const Block& block(int index) const override;
  Call forward_call(int index, int microbatch) override;
  Call backward_call(int index, int microbatch) override;
  Tensor tokens(int microbatch) override;
  Shape input_shape() const override;
  Shape gradient_shape() const override;
  DType dtype() const override { return options_.dtype; }

  void gather(int index) override { parameters_.gather(model_index(index)); }
  void drop(int index) override { parameters_.drop(model_index(index)); }
  void reduce(int index, int microbatch) override;
  void send_shared(const std::string& label) override {
    parameters_.send_shared(label);
  }
  void receive_shared(const std::string& label) override {
    parameters_.receive_shared(label);
  }

 private:
  int model_index(int index) const {
    return static_cast<int>(blocks_.first) + index;
  }
  TensorView part(const Tensor& all, int microbatch) const;
  Call call_for(int index, int microbatch);

  const Model& model_;
  const EngineOptions& options_;
  const EngineState& state_;
  ShardedParameters& parameters_;
  const StepContext& context_;
  Range blocks_;
  std::vector<TensorView> weights_;
  std::vector<TensorView> gradients_;
};

}  // namespace cairn
