// Calibration: how long operations take on a real backend, for a CostModel.
//
// Operations of a load are timed in turn, round after round, and take the
// shares of a round that they have of a step: caches hold what others left
// there, and a device that lowers its clock under load does so here as it does
// in the step.
//
// Threads: called from one; the backend's memory and one stream of its own are
// used, and given back. Errors: as the backend's; kOutOfMemory if the operation
// that needs most does not fit.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/backend.h"
#include "runtime/cost.h"
#include "runtime/operands.h"

namespace cairn {

struct CalibrationOptions {
  int repeats = 5;      // rounds: the median of so many timings counts
  double least = 1e-3;  // seconds of work in one timing, if it takes less
  int most_calls = 40;  // in one timing
  // Least seconds of a round over a load's operations, each called as often as
  // a step does, or a multiple of it. 0: each only as often as `least` asks.
  double round = 0;
  // Seconds of the first load's rounds before those that count; half as many of
  // every other, which comes to a device that is warm already.
  double warm_up = 0;
  // Calls in a row go through so much memory, as a step does, so that caches do
  // not make them faster than they will be.
  std::size_t spread_bytes = std::size_t{64} << 20;
  // Told how far it is, in words, now and then.
  std::function<void(const std::string&)> progress = {};
};

// An operation and how often a step calls it.
struct LoadOp {
  KernelOp op;
  double times = 1;
};

// What is timed together.
using Load = std::vector<LoadOp>;

// By key_of, what each operation takes; of one that several loads have, what it
// takes in the first of them. Operands lie in memory of the backend that is the
// same for every operation, as much as the largest needs and spread_bytes at
// least. What is only read is random numbers, indices go through the rows;
// where operands share memory they do so there.
std::map<std::string, MeasuredOp> measure(
    Backend& backend, const std::vector<Load>& loads,
    const CalibrationOptions& options = {});

// Bytes a second that one host thread copies, and adds up as f32: what ranks
// that are threads of one process do for each other. Of pieces of `bytes`.
struct HostRates {
  double copy = 0;
  double sum = 0;
};
HostRates measure_host(std::size_t bytes, int repeats = 5);

}  // namespace cairn
