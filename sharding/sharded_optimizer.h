// AdamW over what a rank owns of each unit (all of it, or its shard from ZeRO
// stage 1 on), after clipping by the global norm.
//
// The norm is summed in f64 over the pieces of every unit of the model, in
// canonical order, whichever rank holds them: ranks put their pieces into one
// vector of all, the rest zero, and add the vectors up, which is exact.
//
// Threads: fed from the rank's own thread; only enqueues.

#pragma once

#include <memory>
#include <vector>

#include "sharding/sharded_parameters.h"

namespace cairn {

struct AdamWOptions {
  float beta1 = 0.9F;
  float beta2 = 0.95F;
  float epsilon = 1e-8F;
  float weight_decay = 0.1F;
  float clip = 1.0F;  // global norm; 0 switches it off
};

// The ranks, in the world, that hold parts of one gradient: those that share
// each unit, and those that hold this replica's stages.
struct NormRanks {
  std::vector<int> data;
  std::vector<int> pipeline;
};

class ShardedOptimizer {
 public:
  // Collective over the world: makes communicators. Everything outlives this.
  ShardedOptimizer(const Compute& compute, World& world, const Model& model,
                   ShardedParameters& parameters, const AdamWOptions& options,
                   const NormRanks& ranks);

  // Zeroes both moments and forgets a norm that was not finite.
  void reset();

  // Step `number` (from 0) with the gradients as they are. When their norm is
  // not finite, neither this step nor a later one changes any weight.
  void step(std::uint64_t number, float lr);

  const Tensor& norm() const { return norm_; }  // f32 [1], before clipping

 private:
  struct Moments {
    Tensor m;  // f32, the own range of the unit
    Tensor v;
    std::int64_t first_piece = 0;  // of the unit, among all pieces of the model
  };

  void measure();
  void update(std::size_t index, const AdamW& shared);
  void update_range(std::size_t index, const Range& range, AdamW op);

  Compute compute_;
  ShardedParameters& parameters_;
  AdamWOptions options_;
  std::vector<Moments> moments_;  // by unit; empty for copies
  Tensor partials_;               // f64, every piece of the model
  Tensor norm_;
  Tensor factor_;
  std::unique_ptr<Communicator> data_;      // when updates are split
  std::unique_ptr<Communicator> pipeline_;  // when there are stages
};

}  // namespace cairn
