// A pipeline of toy blocks, y = x w, whose loss is half the sum of squares of
// the last one's output; on any backend, carried out by an Executor.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/activations/policy_store.h"
#include "parallel/executor.h"

namespace cairn {

struct ToyPipeline {
  PipelineShape shape;
  int blocks = 2;  // a stage
  int capacity = 1;

  // Of the whole model.
  int all_blocks() const { return shape.stages() * blocks; }
};

class ToyBlock final : public Block {
 public:
  explicit ToyBlock(bool is_last) : is_last_(is_last) {}

  std::vector<ParameterSpec> parameters() const override;
  std::vector<GroupSpec> groups(const BatchShape& batch,
                                DType dtype) const override;
  Shape output_shape(const BatchShape& batch) const override;
  Tensor forward(const Call& call, const Tensor& input,
                 Saved* saved) const override;
  void rebuild(const Call& /*call*/, Saved& /*saved*/) const override {}
  Tensor backward_input(const Call& call, Tensor dy, Saved saved,
                        WeightWork& later) const override;
  double flops(const BatchShape& batch) const override;

 private:
  bool is_last_;
};

class ToyStage final : public Stage {
 public:
  ToyStage(const Compute& compute, const ToyPipeline& pipeline, int stage);

  int blocks() const override { return static_cast<int>(blocks_.size()); }
  const Block& block(int index) const override {
    return blocks_[static_cast<std::size_t>(index)];
  }
  Call forward_call(int index, int microbatch) override;
  Call backward_call(int index, int microbatch) override;
  Tensor tokens(int microbatch) override;
  Shape input_shape() const override;
  Shape gradient_shape() const override { return input_shape(); }
  DType dtype() const override { return DType::kF32; }

  // Only noted.
  void gather(int index) override { note("G", index); }
  void drop(int index) override { note("D", index); }
  void reduce(int index, int microbatch) override {
    note("R" + std::to_string(microbatch) + " of", index);
  }
  void send_shared(const std::string& label) override {
    notes.push_back(label);
  }
  void receive_shared(const std::string& label) override {
    notes.push_back(label);
  }

  std::vector<Tensor> weights;  // by block
  std::vector<Tensor> gradients;
  std::vector<std::string> notes;

 private:
  void note(const std::string& what, int index) {
    notes.push_back(what + " " + std::to_string(index));
  }

  Compute compute_;
  std::vector<ToyBlock> blocks_;
  Tensor inputs_;
  std::vector<TensorView> parameters_;
  std::vector<TensorView> gradient_views_;
};

// One rank of it, weights and inputs drawn.
class ToyRank {
 public:
  // `memory` is of `backend`. Collective over the pipeline.
  ToyRank(Backend& backend, MemoryResource& memory, World& world,
          const ToyPipeline& pipeline);

  // By block of the whole model; waits.
  std::map<int, std::vector<float>> gradients();

  Executor& executor() { return *executor_; }
  ToyStage& stage(int number) { return *stages_.at(number); }

 private:
  Backend& backend_;
  ToyPipeline pipeline_;
  std::unique_ptr<Stream> stream_;
  Tensor workspace_;
  std::unique_ptr<Kernels> kernels_;
  Timeline timeline_;
  PolicyStore store_;
  std::map<int, std::unique_ptr<ToyStage>> stages_;
  std::unique_ptr<Executor> executor_;
};

// The gradients of all blocks after every rank, a thread on the cpu, has run
// its program.
std::map<int, std::vector<float>> toy_gradients(const ToyPipeline& pipeline,
                                                const Schedule& schedule);

}  // namespace cairn
