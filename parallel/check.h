// Proves a schedule before it runs, by running it on paper: each rank's program
// by itself, the transfers between programs, then all ranks together with their
// waiting. What that run takes is the forecast.
//
// The model: a rank does one action after the other. A receive only makes room;
// whoever computes on what it brings waits. A channel for each directed edge
// (stage s to s + 1, and back) holds a few parcels that have no such room yet;
// a send waits while it is full. Only computing takes time.

#pragma once

#include <vector>

#include "parallel/action.h"

namespace cairn {

// Times of a whole stage on one micro-batch, in any one unit. Blocks of a stage
// share them equally.
struct StageCost {
  double forward = 1;
  double backward_input = 1;
  double backward_weight = 1;
};

// What the schedule is made for. It must have what is named here, and nothing
// that is not.
struct CheckOptions {
  StageCost cost;
  std::vector<StageCost> stage_costs;  // by stage, in place of `cost`

  std::vector<int> blocks;    // by stage; empty: whole stages
  bool forward_only = false;  // for evaluation
  bool transfers = false;
  bool gathers = false;  // parameters are sharded
  int reductions = 0;    // groups of micro-batches; 0: none
  bool shared = false;   // the last stage uses a parameter of the first

  int channel_capacity = 1;  // parcels sent that nobody has made room for
};

struct EdgeTraffic {
  int from = 0;  // stages
  int to = 0;
  int transfers = 0;

  friend bool operator==(const EdgeTraffic&, const EdgeTraffic&) = default;
};

struct Forecast {
  double makespan = 0;         // from the first action to the last
  std::vector<double> bubble;  // by rank: the part of makespan it is idle

  // By rank: micro-batches held at once, at most. A stage holds one from its
  // forward to the end of its backward's weight half; a rank with all its
  // stages holds 1, a stage alone 1 / chunks.
  std::vector<double> peak_held;

  std::vector<EdgeTraffic> edges;  // outputs by stage, then gradients
};

// Throws kBadArgument, naming the rank, the position (from 0), the action and
// the reason, if an action is missing, runs twice or too early, if a stage
// takes micro-batches in another order than ascending, if a transfer meets the
// wrong partner, if ranks wait for each other in a circle, or if something is
// left over at the end.
Forecast check(const Schedule& schedule, const CheckOptions& options = {});

}  // namespace cairn
