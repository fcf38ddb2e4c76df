// One rank's part of a model's parameters and gradients, shared among the ranks
// of its data-parallel group as ZeRO does (Rajbhandari et al., "ZeRO: Memory
// Optimizations Toward Training Trillion Parameter Models", SC 2020):
//
//   stage 0, 1   every rank holds all weights and gradients
//   stage 2      gradients are in shards; a block's whole one lives from its
//                first backward to its reduction
//   stage 3      weights too; gather() makes a block's whole, drop() lets go
//
// Numbers do not depend on the stage: gradients are summed over a rank's
// micro-batches first, then over ranks in rank order. `groups` repeats that
// order on one rank: micro-batches are summed in so many groups, then the
// groups in order.
//
// Where blocks compute in bf16, a unit has f32 masters of what this rank
// updates; what is held, gathered and sent are bf16 weights rounded from them.
//
// A parameter that the model's first and last stage use (tied embeddings) has
// its home on the first; when they are different ranks, the last holds a copy
// of the unit, sends its gradient home and gets the new weights back.
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
  // the compute stream. Gradients are those of a group of micro-batches, made
  // when first asked for; a table's is its rows, which are zero at first.
  void parameters_of(int block, std::vector<TensorView>& views);
  void gradients_of(int block, int group, std::vector<TensorView>& views);

  // The program's actions, by block of the model.
  void gather(int block);
  void drop(int block);
  // Reducing is the group's last use of a block; after the last group's, bf16
  // weights are gone until the update. `row_tokens` are the tokens of the
  // table's rows; `label` names a transfer in traces.
  void reduce(int block, int group, const TensorView& row_tokens);
  void send_shared(const std::string& label);
  void receive_shared(const std::string& label);

  // From the optimizer: every reduction is over; the unit needs room for new
  // weights; its range was updated and its gradient may go.
  void finish_reductions();
  void make_room(Unit& unit);
  void publish(Unit& unit);

  // Draws every weight from (seed, parameter, element); or, after a step
  // without an update, makes weights of masters again and lets gradients go.
  // Collective over the data ranks and the shared ranks.
  void draw(std::uint64_t seed);
  void restore();

  // Sets what this rank holds of a parameter; `values` are all of it, in f32.
  // Throws kBadArgument where it holds nothing.
  void set(int parameter, const TensorView& values);

  std::vector<Unit>& units() { return units_; }
  // Numbers of units: where weights went first lie gradients of those before.
  std::vector<std::size_t> update_order() const;
  Unit* unit_of(int block);

  // What this rank updates of a unit, and the parts of buffers that it is:
  // weights in f32, those that blocks compute with, gradients if there are any.
  Range own(const Unit& unit) const;
  TensorView own_weights(const Unit& unit) const;
  TensorView own_computed(const Unit& unit) const;
  TensorView own_gradients(const Unit& unit) const;

  // The f32 weights that this rank holds: all, its shard, or none (a copy).
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

  void add_unit(int block, bool copy);
  void note_last_readers();
  Place place_of(int parameter);
  bool splits_weights() const { return data_ > 1 && options_.stage >= 3; }
  bool splits_gradients() const { return data_ > 1 && options_.stage >= 2; }
  bool splits_updates() const { return data_ > 1 && options_.stage >= 1; }
  bool has_masters() const { return options_.dtype != DType::kF32; }
  Tensor gathered(Unit& unit, const TensorView& shard);
  void drop_unit(Unit& unit);
  std::vector<Unit*> units_used_by(int block);
  TensorView gradient_of(Unit& unit, int group);
  TensorView rows_of(Unit& unit);
  void make_shard(Unit& unit);
  TensorView shared_gradient();
  void add_rows(Unit& unit, int group, const TensorView& row_tokens);
  void retire_after(int block);
  void reduce_over_ranks(Unit& unit);
  void settle_reduction();
  Range held(const Unit& unit) const;
  void draw_unit(Unit& unit, std::uint64_t seed);
  void round_masters(Unit& unit);
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
  std::vector<std::size_t> retired_;  // in order; until there is room again
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
