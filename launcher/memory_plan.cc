#include "launcher/memory_plan.h"

#include <algorithm>
#include <vector>

#include "launcher/byte_size.h"
#include "launcher/engine.h"
#include "launcher/step_program.h"
#include "parallel/sim_world.h"
#include "runtime/arena.h"
#include "runtime/error.h"
#include "runtime/ledger.h"
#include "runtime/sim.h"

namespace cairn {
namespace {

// More than any device has; nothing of it is ever touched.
constexpr std::size_t kPretendBytes = std::size_t{1} << 50;

// Everything a run does to memory: two steps, an evaluation, a sample.
void rehearse(Engine& engine, const PlanRequest& request) {
  const std::int64_t tokens = request.options.batch.tokens();
  const std::vector<std::int32_t> all(
      static_cast<std::size_t>(tokens * request.options.microbatches));
  const auto one = std::span(all).first(static_cast<std::size_t>(tokens));
  engine.draw_weights();
  engine.step(0, {all, all}, 0.0F);
  engine.step(1, {all, all}, 0.0F);
  engine.evaluate(one, one);
  engine.weights_hash();
  if (request.samples_text)
    engine.logits(
        one.first(static_cast<std::size_t>(request.options.batch.sequence)));
}

std::string needs(const MemoryPlan& plan) {
  const int rank = plan.largest();
  const std::size_t bytes = plan.ranks[rank].arena_bytes;
  return plan.activations + " needs " +
         human_bytes(static_cast<std::int64_t>(bytes)) + " (" +
         std::to_string(bytes) + " bytes)" +
         (plan.ranks.size() > 1 ? " on rank " + std::to_string(rank) : "");
}

RankMemory rehearse_rank(const PlanRequest& request, const std::string& policy,
                         int rank) {
  SimMachine machine{CostModel{}};
  const auto backend =
      machine.make_backend(rank, workspace_bytes_of("cpu", {request.threads}));
  const auto world =
      make_sim_world(machine, rank, request.options.parallel.world());
  const auto stream = backend->make_stream("plan");
  Arena arena(backend->memory(), kPretendBytes, *stream);
  Ledger ledger(arena);
  {
    Engine engine(*backend, ledger, *world, request.model, policy_named(policy),
                  request.options);
    rehearse(engine, request);
  }
  return {arena.high_water(), ledger.total_peak(), ledger.at_total_peak()};
}

}  // namespace

int MemoryPlan::largest() const {
  const auto most = std::max_element(
      ranks.begin(), ranks.end(), [](const RankMemory& a, const RankMemory& b) {
        return a.arena_bytes < b.arena_bytes;
      });
  return static_cast<int>(most - ranks.begin());
}

// Replicas need the same: each stage is rehearsed on its first.
MemoryPlan plan_memory(const PlanRequest& request, const std::string& policy) {
  MemoryPlan plan;
  plan.activations = policy;
  const ParallelOptions& parallel = request.options.parallel;
  const Mesh mesh = make_mesh(parallel);
  for (int place = 0; place < parallel.pipeline; ++place) {
    const RankMemory memory =
        rehearse_rank(request, policy, mesh.at(0, "pp", place));
    plan.ranks.insert(plan.ranks.end(), static_cast<std::size_t>(parallel.data),
                      memory);
  }
  return plan;
}

MemoryPlan choose_plan(const PlanRequest& request, const std::string& policy,
                       std::size_t budget) {
  std::vector<std::string> names{policy};
  if (policy == "auto") names = policy_names();
  std::string tried;
  for (const std::string& name : names) {
    MemoryPlan plan = plan_memory(request, name);
    const std::size_t most = plan.ranks[plan.largest()].arena_bytes;
    if (budget == 0 || most <= budget) return plan;
    tried += (tried.empty() ? "" : ", ") + needs(plan);
  }
  if (policy != "auto" && policy != "boundary") {
    tried += ", " + needs(plan_memory(request, "boundary"));
  }
  throw Error(Code::kOutOfMemory,
              "memory.device_budget = " +
                  human_bytes(static_cast<std::int64_t>(budget)) + " (" +
                  std::to_string(budget) +
                  " bytes) is too small for this run: " + tried +
                  "; raise the budget, or lower train.micro_batch, "
                  "data.sequence or the model's size");
}

}  // namespace cairn
