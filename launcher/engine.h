// The Engine is one rank's training: its stages of the model, its share of the
// state, and one step as work enqueued on streams. It is built from interfaces
// only and knows neither config nor files.
//
// A step never waits for the device: step() enqueues and returns, and
// outcome() of the step before is read while the next one runs. Loss and norm
// stay on the device until then. A step whose gradient norm is not finite
// leaves the weights as they were, and so does every later one, so that the
// fault can be traced.
//
// The ranks of a run call the same methods in the same order. What they give
// back is the same on every rank, unless it says otherwise.
//
// Threads: one thread feeds the engine. Everything handed to the constructor
// outlives it.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/activations/policy.h"
#include "checkpoint/activations/policy_store.h"
#include "launcher/engine_state.h"
#include "launcher/rank_stage.h"
#include "launcher/step_program.h"
#include "parallel/communicator.h"
#include "runtime/data/row_index.h"

namespace cairn {

class Engine {
 public:
  Engine(Backend& backend, MemoryResource& memory, World& world,
         const Model& model, Policy policy, const EngineOptions& options);
  ~Engine();

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Draws every weight from (seed, parameter, element), zeroes both moments.
  void draw_weights();

  // Enqueues step `number` (from 0) on this replica's `batch`, which is copied.
  void step(std::uint64_t number, const StepBatch& batch, float lr);

  // What the step of that number came to; waits for it. The last two steps
  // enqueued can be asked for. Times are this rank's.
  StepOutcome outcome(std::uint64_t number);

  // Where the step's time went on this rank, stream by stream; after outcome().
  const std::vector<Timeline::Record>& spans(std::uint64_t number) const;

  // The mean losses of one micro-batch a replica, without dropout, in order of
  // the replicas; the arguments are this one's. Waits.
  std::vector<float> evaluate(std::span<const std::int32_t> inputs,
                              std::span<const std::int32_t> targets);

  // The logits that follow `tokens`, at most the model's context. Waits.
  std::vector<float> logits(std::span<const std::int32_t> tokens);

  // The largest of every rank's number. Waits.
  double most(double number);

  // In words, where the first value that is not finite appears when step
  // `number` is run again on `batch` with the weights as they are. Waits.
  std::string find_divergence(std::uint64_t number, const StepBatch& batch);

  // A parameter, or the gradient of the last step (with keep_gradients), as
  // f32, where this rank holds all of it; throws kBadArgument elsewhere. Waits.
  std::vector<float> parameter(const std::string& name);
  std::vector<float> gradient(const std::string& name);
  // Given all of a parameter, keeps what this rank holds of it; throws
  // kBadArgument where that is nothing. For every rank that holds some. Waits.
  void set_parameter(const std::string& name, std::span<const float> values);

  // Brings every parameter, in canonical order, to the ranks of the first
  // stage, and visits it there, on the compute stream. What is visited may be
  // gone after the call.
  using WeightVisitor =
      std::function<void(const ParameterSpec&, const TensorView&)>;
  void visit_weights(const WeightVisitor& visit);

  // xxh3-128 of all weights in canonical order, as 32 hex digits; on the ranks
  // of the first stage, "" on others. Waits.
  std::string weights_hash();

  const Program& program() const {
    return step_program_.schedule.programs[places_.pipeline];
  }
  const StagePlan& stages() const { return stage_plan_; }

 private:
  struct Slot;  // host side of one step in flight
  struct Places {
    int pipeline = 0;  // place of this rank along the axis
    int data = 0;
    std::vector<int> pipeline_ranks;
    std::vector<int> data_ranks;
  };
  class Finder;  // looks for values that are not finite

  static Places places(const World& world, const ParallelOptions& parallel);
  bool holds_first() const { return places_.pipeline == 0; }
  bool holds_last() const {
    return places_.pipeline + 1 == options_.parallel.pipeline;
  }
  ShardingOptions sharding_options() const;
  std::vector<std::unique_ptr<RankStage>> make_stages();
  Executor make_executor(World& world, int channel_capacity);
  void fill_slot(Slot& slot, std::uint64_t number, const StepBatch& batch);
  void upload(Slot& slot);
  void begin_training(std::uint64_t number, const Slot& slot);
  void begin_forward(const BatchShape& batch, const TensorView& logits);
  void share_report();
  TensorView held(const std::string& name, bool gradient);
  Tensor weights_at_first_stage(int block, const UnitLayout& layout);
  std::vector<float> download(const TensorView& view);
  bool finite(const TensorView& view);
  double check_weights();
  double least(double number);
  std::string describe_divergence(double found) const;

  const Model& model_;
  EngineOptions options_;
  Places places_;
  StagePlan stage_plan_;
  EngineState state_;
  Timeline timeline_;
  ShardedParameters parameters_;
  ShardedOptimizer optimizer_;
  StepContext context_;
  PolicyStore store_;
  std::vector<std::unique_ptr<RankStage>> stages_;
  StepProgram step_program_;
  Executor executor_;
  Program forward_program_;
  std::unique_ptr<Communicator> report_pipeline_;
  std::unique_ptr<Communicator> report_data_;
  RowIndex rows_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::shared_ptr<Event> last_end_;
};

}  // namespace cairn
