#include "launcher/memory_plan.h"

#include <vector>

#include "launcher/byte_size.h"
#include "launcher/engine.h"
#include "runtime/arena.h"
#include "runtime/error.h"
#include "runtime/ledger.h"

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
  if (request.samples_text)
    engine.logits(
        one.first(static_cast<std::size_t>(request.options.batch.sequence)));
}

std::string needs(const MemoryPlan& plan) {
  return plan.activations + " needs " +
         human_bytes(static_cast<std::int64_t>(plan.arena_bytes)) + " (" +
         std::to_string(plan.arena_bytes) + " bytes)";
}

}  // namespace

MemoryPlan plan_memory(const PlanRequest& request, const std::string& policy) {
  BackendOptions backend_options;
  backend_options.threads = request.threads;
  const auto backend = make_backend("sim", backend_options);
  const auto stream = backend->make_stream("plan");
  Arena arena(backend->memory(), kPretendBytes, *stream);
  Ledger ledger(arena);
  {
    Engine engine(*backend, ledger, request.model, policy_named(policy),
                  request.options);
    rehearse(engine, request);
  }
  MemoryPlan plan;
  plan.activations = policy;
  plan.arena_bytes = arena.high_water();
  plan.peak_bytes = ledger.total_peak();
  plan.at_peak = ledger.at_total_peak();
  return plan;
}

MemoryPlan choose_plan(const PlanRequest& request, const std::string& policy,
                       std::size_t budget) {
  std::vector<std::string> names{policy};
  if (policy == "auto") names = policy_names();
  std::string tried;
  for (const std::string& name : names) {
    MemoryPlan plan = plan_memory(request, name);
    if (budget == 0 || plan.arena_bytes <= budget) return plan;
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
