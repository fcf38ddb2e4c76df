#include "launcher/run_plan.h"

#include <algorithm>
#include <memory>

#include "launcher/byte_size.h"
#include "launcher/engine.h"
#include "launcher/rehearsal.h"
#include "runtime/error.h"

namespace cairn {
namespace {

std::string needs(const RunPlan& plan) {
  const int rank = plan.largest();
  const std::size_t bytes = plan.ranks[rank].arena_bytes;
  return plan.activations + " needs " +
         human_bytes(static_cast<std::int64_t>(bytes)) + " (" +
         std::to_string(bytes) + " bytes)" +
         (plan.ranks.size() > 1 ? " on rank " + std::to_string(rank) : "");
}

}  // namespace

int RunPlan::largest() const {
  const auto most = std::max_element(ranks.begin(), ranks.end(),
                                     [](const RankPlan& a, const RankPlan& b) {
                                       return a.arena_bytes < b.arena_bytes;
                                     });
  return static_cast<int>(most - ranks.begin());
}

double RunPlan::step_ms() const {
  double slowest = 0;
  for (const RankPlan& rank : ranks) slowest = std::max(slowest, rank.step_ms);
  return slowest;
}

double RunPlan::bubble() const {
  double waited = 0;
  double all = 0;
  for (const RankPlan& rank : ranks) {
    waited += rank.ms[static_cast<std::size_t>(Phase::kBubble)];
    all += rank.step_ms;
  }
  return all > 0 ? waited / all : 0;
}

// Replicas do the same: the first is rehearsed, and stands for all.
RunPlan plan_run(const PlanRequest& request, const std::string& policy) {
  const Rehearsal rehearsal(request, policy);
  RunPlan plan;
  plan.activations = policy;
  for (int place = 0; place < request.options.parallel.pipeline; ++place) {
    plan.ranks.insert(plan.ranks.end(),
                      static_cast<std::size_t>(request.options.parallel.data),
                      rehearsal.rank_plan(place));
  }
  return plan;
}

RunPlan choose_plan(const PlanRequest& request, const std::string& policy,
                    std::size_t budget) {
  std::vector<std::string> names{policy};
  if (policy == "auto") names = policy_names();
  std::string tried;
  for (const std::string& name : names) {
    RunPlan plan = plan_run(request, name);
    const std::size_t most = plan.ranks[plan.largest()].arena_bytes;
    if (budget == 0 || most <= budget) return plan;
    tried += (tried.empty() ? "" : ", ") + needs(plan);
  }
  if (policy != "auto" && policy != "boundary") {
    tried += ", " + needs(plan_run(request, "boundary"));
  }
  throw Error(Code::kOutOfMemory,
              "memory.device_budget = " +
                  human_bytes(static_cast<std::int64_t>(budget)) + " (" +
                  std::to_string(budget) +
                  " bytes) is too small for this run: " + tried +
                  "; raise the budget, or lower train.micro_batch, "
                  "data.sequence or the model's size");
}

std::vector<TraceSpan> plan_trace(const PlanRequest& request,
                                  const std::string& policy) {
  return Rehearsal(request, policy).trace();
}

std::vector<double> block_seconds(const PlanRequest& request) {
  PlanRequest alone = request;
  alone.options.parallel = {};
  std::vector<double> seconds(static_cast<std::size_t>(request.model.blocks()));
  for (const TraceSpan& span : Rehearsal(alone, "keep").trace()) {
    const std::size_t slash = span.name.find('/');
    if (span.phase != name_of(Phase::kCompute) || slash == std::string::npos) {
      continue;
    }
    const Action action = action_from_text(span.name);
    seconds[static_cast<std::size_t>(action.block)] +=
        1e-3 * (span.end_ms - span.begin_ms);
  }
  return seconds;
}

std::vector<SimKernel> step_kernels(const PlanRequest& request,
                                    const std::string& policy, int place) {
  return Rehearsal(request, policy).step_kernels(place);
}

std::vector<KernelOp> plan_kernels(const PlanRequest& request,
                                   const std::string& policy) {
  return Rehearsal(request, policy).kernels();
}

}  // namespace cairn
