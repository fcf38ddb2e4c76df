// What an engine is asked to do, and the plain values that go into and come out
// of a step.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/backend.h"
#include "runtime/model.h"
#include "runtime/timeline.h"
#include "sharding/sharded_optimizer.h"

namespace cairn {

// How the ranks of a run share the work; every rank is given the same.
struct ParallelOptions {
  int pipeline = 1;  // stages' ranks
  int data = 1;      // replicas of the pipeline
  std::string schedule = "1f1b";
  std::string schedule_text;  // if given, instead of a schedule by name
  int chunks = 1;             // stages a rank
  std::vector<int> cuts;      // blocks of each stage; empty: by their cost
  int sharding = 0;           // ZeRO stage
  int gather_ahead = 1;       // blocks
  int receive_ahead = 1;      // actions
  // Repeats the order of sums of so many data ranks on one.
  int gradient_groups = 1;

  int world() const { return pipeline * data; }
};

struct EngineOptions {
  BatchShape batch;      // one micro-batch
  int microbatches = 1;  // of a replica, in one step
  std::uint64_t seed = 0;
  // Of activations, their gradients and the weights that blocks compute with.
  // Masters of bf16 weights, weight gradients, moments and losses are f32.
  DType dtype = DType::kF32;
  bool deterministic = true;    // as in BackendOptions
  bool keep_gradients = false;  // of a step, for gradient(), until the next
  AdamWOptions adamw;
  ParallelOptions parallel;

  int group_microbatches() const {
    return microbatches / parallel.gradient_groups;
  }
  int all_microbatches() const { return microbatches * parallel.data; }
};

// One replica's tokens of one step: micro-batches x samples x sequence of each.
struct StepBatch {
  std::span<const std::int32_t> inputs;
  std::span<const std::int32_t> targets;
  bool stop = false;  // this rank asks all to stop
};

struct StepOutcome {
  float loss = 0;
  float grad_norm = 0;
  double step_ms = 0;
  std::array<double, kPhases> ms{};  // by phase; adds up to step_ms
  bool stop = false;                 // some rank asked for it
};

// Device memory of one rank beside the model's own, and the stream and kernels
// that use it.
struct EngineState {
  // `first` and `last`: whether the rank has the model's first and last block.
  EngineState(Backend& backend, MemoryResource& memory, const Model& model,
              const EngineOptions& options, bool first, bool last);

  Compute compute() const { return {backend, memory, *stream, *kernels}; }

  Backend& backend;
  MemoryResource& memory;
  std::unique_ptr<Stream> stream;
  Tensor workspace;
  std::unique_ptr<Kernels> kernels;

  Tensor inputs;      // i32 [microbatches, tokens]; first
  Tensor targets;     // i32 [microbatches, tokens]; last
  Tensor token_rows;  // i32 [microbatches, tokens]; first
  Tensor row_tokens;  // i32 [groups, most distinct tokens of one]; first
  Tensor report;      // f32 [microbatches + 1]: losses, then the wish to stop
  Tensor reports;     // f32 [data, microbatches + 1]
  Tensor loss;        // f32 [1], of an evaluation
  Tensor finite;      // f32 [1]
  Tensor numbers;     // f64, one a rank of the longest axis
};

// How many distinct tokens one group of micro-batches can have.
std::int64_t most_rows(const Model& model, const EngineOptions& options);

}  // namespace cairn
