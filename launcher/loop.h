// One rank's training over an engine: steps and evaluations, and on rank 0,
// which has the run's directory, their records.
//
// Threads: the rank's own. Everything handed to it outlives it.

#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "launcher/efficiency.h"
#include "launcher/engine.h"
#include "launcher/progress.h"
#include "launcher/run_directory.h"
#include "launcher/step_trace.h"
#include "launcher/worker.h"
#include "runtime/ledger.h"

namespace cairn {

// A replica's tokens of one step, read on the host.
class StepReader {
 public:
  StepReader(const Run& run, int replica);

  // Valid until the next call.
  StepBatch read(std::uint64_t step);

 private:
  Sampler sampler_;
  std::size_t sequence_;
  std::size_t all_samples_;  // of a step, over all replicas
  std::size_t samples_;
  std::size_t first_;
  std::vector<std::int32_t> inputs_;
  std::vector<std::int32_t> targets_;
};

class Loop {
 public:
  // What the loop works with on its rank.
  struct Rank {
    const Run& run;
    World& world;
    Engine& engine;
    const Ledger& ledger;
    StepTrace* trace = nullptr;              // if one was asked for
    RunDirectory* directory = nullptr;       // on rank 0
    const Efficiency* efficiency = nullptr;  // likewise
  };
  Loop(const Rank& rank, std::ostream& out);

  // Returns the number of steps made. Throws kDiverged when loss or norm is no
  // longer finite.
  std::int64_t run_steps(StopRequest& stop);

  bool stopped() const { return stopped_; }
  float last_loss() const { return last_loss_; }

 private:
  bool is_to_stop(const StopRequest& stop) const;
  bool evaluates_after(std::int64_t step) const;
  bool traces(std::int64_t step) const;
  void enqueue(std::int64_t step, StopRequest& stop);
  void measure_peaks();
  void record_to(std::int64_t step);
  void record(std::int64_t step);
  void write_step_trace(std::int64_t step);
  [[noreturn]] void stop_diverged(std::int64_t step,
                                  const StepOutcome& outcome);
  void evaluate(std::int64_t step);
  std::vector<float> evaluate_batch(std::uint64_t batch);

  Rank rank_;
  const Config& config_;
  Engine& engine_;
  int replica_;
  Progress progress_;
  StepReader reader_;
  std::int64_t recorded_ = 0;
  std::int64_t device_peak_ = 0;
  std::int64_t host_peak_ = 0;
  bool stopped_ = false;
  float last_loss_ = 0;
};

}  // namespace cairn
