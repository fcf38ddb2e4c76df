// A rehearsal: the ranks of a run's first replica on a pretend machine, through
// everything that a run does to memory, played in virtual time.
//
// Threads: one. Errors: what waits for ever or races is kBadArgument.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "launcher/run_plan.h"
#include "runtime/sim.h"

namespace cairn {

class Rehearsal {
 public:
  // `prepare` is given the machine before anything is enqueued; for tests that
  // take an order out of the program.
  using Prepare = std::function<void(SimMachine&)>;
  Rehearsal(const PlanRequest& request, const std::string& policy,
            const Prepare& prepare = {});
  ~Rehearsal();

  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  // Of the rank at that place of the pipeline.
  RankPlan rank_plan(int place) const;
  std::vector<TraceSpan> trace() const;
  std::vector<KernelOp> kernels() const;
  // What that rank calls in a step, and how often.
  std::vector<SimKernel> step_kernels(int place) const;
  const SimMachine& machine() const { return machine_; }

 private:
  struct Rank;

  PlanRequest request_;
  SimMachine machine_;
  std::vector<std::unique_ptr<Rank>> ranks_;  // by place in the pipeline
};

}  // namespace cairn
