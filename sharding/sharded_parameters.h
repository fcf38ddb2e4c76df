// One rank's part of a model's parameters and gradients, shared among the ranks
// of its data-parallel group as ZeRO does (Rajbhandari et al., "ZeRO: Memory
// Optimizations Toward Training Trillion Parameter Models", SC 2020):
//
//   stage 0, 1   every rank holds all weights and gradients
//   stage 2      gradients are kept in shards; a block's whole gradient lives
//                from its first backward to its reduction
//   stage 3      weights too; gather() makes a block's whole, drop() lets go
//
// Numbers do not depend on the stage: gradients are summed over a rank's
// micro-batches first, then over ranks in rank order. `groups` repeats that
// order on one rank: micro-batches are summed in so many groups, then the
// groups in order.
//
// Where blocks compute in bf16, a unit has f32 masters of the weights that this
// rank updates (its shard from stage 1 on), and what is held, gathered,
// published and sent are bf16 weights rounded from them.
//
// A parameter of the model's first stage that its last stage uses too (tied
// embeddings) has its home on the first; when they are different ranks, the
// last holds a copy of the unit, sends its gradient home and gets the new
// weights back.
//
// Threads: fed from the rank's own thread. Communication runs on streams of
// its own; whoever asks for parameters makes compute wait for them.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/timeline.h"
#include "sharding/sharded_unit.h"

namespace cairn {

class ShardedParameters {
 public:
  using Unit = ShardedUnit;

  // Collective over the world: makes communicators. Everything outlives this.
  ShardedParameters(const Compute& compute, Timeline& timeline, World& world,
                    const Model& model, ShardingOptions options);

  // Of block `block` of the model, in the order it declares them; for work on
  // the compute stream. Gradients are those of a group of micro-batches; a
  // table's is its rows, which are zero at first.
  void parameters_of(int block, std::vector<TensorView>& views);
  void gradients_of(int block, int group, std::vector<TensorView>& views);

  // The program's actions, by block of the model.
  void gather(int block);
  void drop(int block);
  // `row_tokens` are the tokens of the table's rows; `label` names a transfer
  // in traces.
  void reduce(int block, int group, const TensorView& row_tokens);
  void send_shared(const std::string& label);
  void receive_shared(const std::string& label);

  // From the optimizer: every reduction is over; the unit's range was updated.
  void finish_reductions();
  void publish(Unit& unit);

  // Zeroes gradients and draws every weight from (seed, parameter, element).
  // Collective over the data ranks and the shared ranks.
  void draw(std::uint64_t seed);

  // Sets what this rank holds of a parameter; `values` are all of it, in f32.
  // Throws kBadArgument where it holds nothing.
  void set(int parameter, const TensorView& values);

  std::vector<Unit>& units() { return units_; }
  Unit* unit_of(int block);

  // What this rank updates of a unit, and the parts of buffers that it is:
  // weights in f32, those that blocks compute with, gradients.
  Range own(const Unit& unit) const;
  TensorView own_weights(const Unit& unit) const;
  TensorView own_computed(const Unit& unit) const;
  TensorView own_gradients(const Unit& unit) const;

  // The weights in f32 that this rank holds: all, or its shard; none of a copy
  // in bf16.
  TensorView held_weights(const Unit& unit) const;

  // The whole flat weights of a unit in f32, gathered if need be. Collective
  // over the data ranks. Waits for nothing.
  Tensor whole_weights(Unit& unit);

  int data_size() const { return data_; }
  int stage() const { return options_.stage; }

 private:
  struct Place {
    Unit* unit;
    const UnitLayout::Entry* entry;
  };

  Unit make_unit(int block, bool copy);
  Place place_of(int parameter);
  bool splits_weights() const { return data_ > 1 && options_.stage >= 3; }
  bool splits_gradients() const { return data_ > 1 && options_.stage >= 2; }
  bool splits_updates() const { return data_ > 1 && options_.stage >= 1; }
  bool has_masters() const { return options_.dtype != DType::kF32; }
  Tensor gathered(Unit& unit, const TensorView& shard);
  void drop_unit(Unit& unit);
  std::vector<Unit*> units_used_by(int block);
  TensorView gradient_of(Unit& unit, int group);
  TensorView shared_gradient();
  void add_rows(Unit& unit, int group, const TensorView& row_tokens);
  void reduce_over_ranks(Unit& unit);
  void settle_reduction();
  Range held(const Unit& unit) const;
  void draw_unit(Unit& unit, std::uint64_t seed);
  void await(std::shared_ptr<Event>& event);
  Timeline::Span mark(Stream& stream, const std::string& what);
  Timeline::Span mark(Stream& stream, const char* what, const Unit& unit);

  Compute compute_;
  Timeline& timeline_;
  const Model& model_;
  ShardingOptions options_;
  int data_ = 1;
  int data_rank_ = 0;
  std::vector<Unit> units_;
  // Streams end their work before the communicators that it uses go.
  std::unique_ptr<Communicator> gathers_;
  std::unique_ptr<Communicator> reductions_;
  std::unique_ptr<Communicator> shared_;
  std::unique_ptr<Stream> gather_stream_;
  std::unique_ptr<Stream> reduce_stream_;
  std::unique_ptr<Stream> shared_stream_;
  Unit* reducing_ = nullptr;            // whose `sum` a reduction still reads
  std::shared_ptr<Event> shared_sent_;  // home's weights, or a copy's gradient
};

}  // namespace cairn
