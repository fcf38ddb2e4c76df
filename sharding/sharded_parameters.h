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
#include "runtime/backend.h"
#include "runtime/timeline.h"
#include "sharding/unit_layout.h"

namespace cairn {

struct ShardingOptions {
  int stage = 0;
  int groups = 1;               // above 1 with one data rank only
  std::vector<int> blocks;      // of the model, that this rank runs
  std::vector<int> data_ranks;  // in the world
  // The ranks that hold the home and the copy of the first block's unit, when
  // the last block uses a parameter of it and they differ; else none.
  std::vector<int> shared_ranks;
  std::int64_t most_rows = 0;  // distinct tokens of a group, at most
};

class ShardedParameters {
 public:
  struct Unit {
    int block = 0;
    UnitLayout layout;
    bool copy = false;  // of the unit whose home is the first stage
    Tensor weights;     // all, or this rank's shard (stage 3)
    Tensor gradients;   // all, or this rank's shard (stages 2 and 3)
    Tensor rows;        // compact gradient of a table, if one is by rows
    int table = -1;     // the parameter that `rows` belongs to
    Tensor whole;       // gathered weights (stage 3)
    Tensor sum;         // gradient in the making, where it is not `gradients`
    int users = 0;      // gathers that were not dropped
    std::shared_ptr<Event> ready;    // new or gathered weights have come
    std::shared_ptr<Event> reduced;  // `gradients` is the sum over ranks
  };

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
  void draw(std::uint64_t seed);
  std::vector<Unit>& units() { return units_; }
  Unit* unit_of(int block);

  // What this rank updates of a unit, and the parts of buffers that it is.
  Range own(const Unit& unit) const;
  TensorView own_weights(const Unit& unit) const;
  TensorView own_gradients(const Unit& unit) const;

  // The whole flat weights of a unit, gathered if need be. Collective over the
  // data ranks. Waits for nothing.
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
  void gather_unit(Unit& unit);
  void drop_unit(Unit& unit);
  std::vector<Unit*> units_used_by(int block);
  TensorView gradient_of(Unit& unit, int group);
  TensorView shared_gradient();
  void add_rows(Unit& unit, int group, const TensorView& row_tokens);
  void reduce_over_ranks(Unit& unit);
  void settle_reduction();
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
