// The Engine is one rank's training: weights, gradients and optimizer state in
// memory, and one step as work enqueued on a stream. It is built from
// interfaces only and knows neither config nor files.
//
// A step never waits for the device: step() enqueues and returns, and
// outcome() of the step before is read while the next one runs. Loss and norm
// stay on the device until then. A step whose gradient norm is not finite
// leaves the weights as they were, and so does every later one, so that the
// fault can be traced.
//
// Threads: one thread feeds the engine. Everything handed to the constructor
// outlives it.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/activations/policy.h"
#include "checkpoint/activations/policy_store.h"
#include "launcher/engine_state.h"
#include "launcher/model_stage.h"
#include "parallel/executor.h"
#include "parallel/schedule.h"
#include "runtime/backend.h"
#include "runtime/data/row_index.h"
#include "runtime/model.h"
#include "runtime/timeline.h"

namespace cairn {

class Engine {
 public:
  Engine(Backend& backend, MemoryResource& memory, const Model& model,
         Policy policy, const EngineOptions& options);
  ~Engine();

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Draws every weight from (seed, parameter, element), zeroes both moments.
  void draw_weights();

  // Enqueues step `number` (from 0) on `batch`, which is copied.
  void step(std::uint64_t number, const StepBatch& batch, float lr);

  // What the step of that number came to; waits for it. The last two steps
  // enqueued can be asked for.
  StepOutcome outcome(std::uint64_t number);

  // The mean loss of one micro-batch without dropout. Waits.
  float evaluate(std::span<const std::int32_t> inputs,
                 std::span<const std::int32_t> targets);

  // The logits that follow `tokens`, at most the model's context. Waits.
  std::vector<float> logits(std::span<const std::int32_t> tokens);

  // In words, where the first value that is not finite appears when step
  // `number` is run again on `batch` with the weights as they are. Waits.
  std::string find_divergence(std::uint64_t number, const StepBatch& batch);

  // A parameter, or the gradient of the last step, as f32. Waits.
  std::vector<float> parameter(const std::string& name);
  std::vector<float> gradient(const std::string& name);
  void set_parameter(const std::string& name, std::span<const float> values);

  // xxh3-128 of all weights in canonical order, as 32 hex digits. Waits.
  std::string weights_hash();

 private:
  struct Slot;  // host side of one step in flight

  void upload(Slot& slot);
  void enqueue_update(std::uint64_t number, float lr);
  void scatter_row_gradients(std::int64_t rows);
  std::vector<float> download(const TensorView& view);
  void fill_slot(Slot& slot, std::uint64_t number, const StepBatch& batch);
  void run_forward(const BatchShape& batch, const Tensor& tokens,
                   const TensorView& targets, const TensorView& logits);
  bool finite(const TensorView& view);
  std::string check_weights();
  std::string check_forward(int microbatch);
  std::string check_backward(int microbatch);

  const Model& model_;
  EngineOptions options_;
  EngineState state_;
  Timeline timeline_;
  PolicyStore store_;
  ModelStage stage_;
  Executor executor_;
  Program program_;
  RowIndex rows_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::shared_ptr<Event> last_end_;
};

}  // namespace cairn
