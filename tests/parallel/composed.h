// Schedules with all passes, and what to check them against.

#pragma once

#include <string>
#include <vector>

#include "parallel/check.h"
#include "parallel/passes.h"
#include "parallel/schedule.h"

namespace cairn {

struct Composed {
  Schedule schedule;
  CheckOptions options;
};

struct Composition {
  int receive_ahead = 0;
  int gather_ahead = 1;
  int groups = 1;
  std::vector<int> blocks;
};

// As many blocks for each stage as its number says: 2, 3, 1, 2, 3, 1...
std::vector<int> uneven_blocks(const PipelineShape& shape);

// What a channel must hold for the schedule of that name: all micro-batches
// where chunks follow each other whole.
int capacity_for(const std::string& name, const PipelineShape& shape);

// The schedule of that name through every pass.
Composed compose(const std::string& name, const PipelineShape& shape,
                 const Composition& composition);

// The schedules' names that take `shape`.
std::vector<std::string> names_for(const PipelineShape& shape);

}  // namespace cairn
