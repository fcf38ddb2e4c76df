// What an engine keeps in memory, by owner, and the plain values that go into
// and come out of a step.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/backend.h"
#include "runtime/model.h"
#include "runtime/timeline.h"

namespace cairn {

struct EngineOptions {
  BatchShape batch;  // one micro-batch
  int microbatches = 1;
  std::uint64_t seed = 0;
  float beta1 = 0.9F;
  float beta2 = 0.95F;
  float epsilon = 1e-8F;
  float weight_decay = 0.1F;
  float clip = 1.0F;  // global norm; 0 switches it off
};

// The tokens of one step: microbatches x samples x sequence of each.
struct StepBatch {
  std::span<const std::int32_t> inputs;
  std::span<const std::int32_t> targets;
};

struct StepOutcome {
  float loss = 0;
  float grad_norm = 0;
  double step_ms = 0;
  std::array<double, kPhases> ms{};  // by phase; adds up to step_ms
};

// Device memory of one rank, and the stream and kernels that use it.
struct EngineState {
  EngineState(Backend& backend, MemoryResource& memory, const Model& model,
              const EngineOptions& options);

  TensorView parameter(int index) const;
  TensorView gradient(int index) const;

  Backend& backend;
  MemoryResource& memory;
  const ParameterLayout& layout;
  std::unique_ptr<Stream> stream;
  Tensor workspace;
  std::unique_ptr<Kernels> kernels;

  Tensor parameters;                  // flat, f32
  Tensor gradients;                   // flat, f32
  Tensor m;                           // flat, f32
  Tensor v;                           // flat, f32
  std::vector<Tensor> row_gradients;  // by Model::row_gradients

  Tensor inputs;      // i32 [microbatches, tokens]
  Tensor targets;     // i32 [microbatches, tokens]
  Tensor token_rows;  // i32 [microbatches, tokens]
  Tensor row_tokens;  // i32 [most distinct tokens of a step]
  Tensor losses;      // f32 [microbatches]
  Tensor partials;    // f64, all parameters' squared-norm chunks
  Tensor norm;        // f32 [1]
  Tensor factor;      // f32 [1]
  Tensor finite;      // f32 [1]
};

// How many distinct tokens one step can have.
std::int64_t most_rows(const Model& model, const EngineOptions& options);

}  // namespace cairn
