// Calibration: how long operations take on a real backend, for a CostModel.
//
// Operations are timed in turn, round after round, as a step does them: caches
// hold what others left there, and a device that lowers its clock under load
// does so here too.
//
// Threads: called from one; the backend's memory and one stream of its own are
// used, and given back. Errors: as the backend's; kOutOfMemory if the operation
// that needs most does not fit.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "runtime/backend.h"
#include "runtime/cost.h"
#include "runtime/operands.h"

namespace cairn {

struct CalibrationOptions {
  int repeats = 5;      // rounds: the median of so many timings counts
  double least = 1e-3;  // seconds of work in one timing, if it takes less
  int most_calls = 40;  // in one timing
  double warm_up = 0;   // seconds of rounds before those that count
  // Calls in a row go through so much memory, as a step does, so that caches do
  // not make them faster than they will be.
  std::size_t spread_bytes = std::size_t{64} << 20;
  // Told how far it is, in words, now and then.
  std::function<void(const std::string&)> progress = {};
};

// By key_of, what each of `ops` takes, each key once. Operands lie in memory of
// the backend that is the same for every operation, as much as the largest
// needs and spread_bytes at least. What is only read is random numbers, indices
// go through the rows; where operands share memory they do so there.
std::map<std::string, MeasuredOp> measure(
    Backend& backend, std::span<const KernelOp> ops,
    const CalibrationOptions& options = {});

// Bytes a second that one host thread copies, and adds up as f32: what ranks
// that are threads of one process do for each other. Of pieces of `bytes`.
struct HostRates {
  double copy = 0;
  double sum = 0;
};
HostRates measure_host(std::size_t bytes, int repeats = 5);

}  // namespace cairn
