// What one rank holds of a unit, and what it is told to hold.
//
// Between steps that is weights and what the optimizer has of them. Gradients
// live from the first backward that adds to them to the update; bf16 weights,
// which their masters can give again, go after the last backward that reads
// them and come back with the update. So a step holds 16 bytes a parameter at
// most, where 18 would be needed to hold all at once.
//
// Plain values over device memory that they own. Bytes of weights that blocks
// compute with are parameters to the ledger; their f32 masters count to the
// optimizer, which alone reads them.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/backend.h"
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
  std::int64_t most_rows = 0;   // distinct tokens of a group, at most
  DType dtype = DType::kF32;    // of the weights that blocks compute with
  bool keep_gradients = false;  // after the update, to be looked at
};

struct ShardedUnit {
  int block = 0;
  UnitLayout layout;
  bool copy = false;          // of the unit whose home is the first stage
  Tensor weights;             // all, or this rank's shard (stage 3); see above
  std::byte* home = nullptr;  // where they lie
  Tensor master;        // f32, what this rank updates; where weights are bf16
  int last_reader = 0;  // the block after whose backward they may go
  Tensor gradients;     // f32: all, or this rank's shard (stages 2 and 3)
  Tensor rows;          // compact gradient of a table, until it is scattered
  int table = -1;       // the parameter whose gradient is by rows
  Tensor whole;         // gathered weights (stage 3)
  Tensor sum;           // gradient in the making, where it is not `gradients`
  int users = 0;        // gathers that were not dropped
  std::shared_ptr<Event> ready;    // new or gathered weights have come
  std::shared_ptr<Event> reduced;  // `gradients` is the sum over ranks
};

}  // namespace cairn
