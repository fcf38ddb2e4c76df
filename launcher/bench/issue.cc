#include "launcher/bench/issue.h"

#include <chrono>

#include "checkpoint/activations/policy.h"
#include "launcher/engine.h"
#include "parallel/worlds.h"
#include "runtime/arena.h"

namespace cairn {
namespace {

constexpr const char* kPolicy = "keep";
constexpr std::uint64_t kSteps = 20;
// A mark, or a wait for one, as part of a kernel's launch.
constexpr double kEvent = 0.4;

Model tiny_model() {
  ModelConfig config;
  config.layers = 4;
  config.width = 64;
  config.heads = 1;
  config.vocab = 64;
  config.context = 32;
  return Model(built_in_families().make(config));
}

// Seconds from step to step, by the host's clock.
double step_seconds(const PlanRequest& request, std::size_t bytes) {
  using Clock = std::chrono::steady_clock;
  const auto backend =
      make_backend(name_of(request.device), request.backend_options());
  const auto stream = backend->make_stream("memory");
  Arena arena(backend->memory(), bytes, *stream);
  const auto worlds = make_thread_worlds(1, {});
  Engine engine(*backend, arena, *worlds.front(), request.model,
                policy_named(kPolicy), request.options);
  engine.draw_weights();
  const std::vector<std::int32_t> tokens(
      static_cast<std::size_t>(request.options.batch.tokens()));
  Clock::time_point begin;
  for (std::uint64_t s = 0; s < 2 * kSteps; ++s) {
    if (s == kSteps) begin = Clock::now();
    engine.step(s, {tokens, tokens}, 0.0F);
    if (s > 0) engine.outcome(s - 1);
  }
  engine.outcome(2 * kSteps - 1);
  return std::chrono::duration<double>(Clock::now() - begin).count() /
         static_cast<double>(kSteps);
}

}  // namespace

void measure_issue(Device::Kind device, const BackendOptions& options,
                   CostModel& costs) {
  const Model model = tiny_model();
  EngineOptions step;
  step.batch = {1, 32};
  PlanRequest request{model, step, options.threads};
  request.device = device;
  request.options.deterministic = options.deterministic;
  // A host so slow that nothing else counts.
  constexpr double kSlow = 1e-3;
  request.costs.kernel_issue = kSlow;
  request.costs.event_issue = kEvent * kSlow;
  const RunPlan plan = plan_run(request, kPolicy);
  const double launches = 1e-3 * plan.step_ms() / kSlow;
  const double seconds = step_seconds(request, plan.ranks.front().arena_bytes);
  costs.kernel_issue = seconds / launches;
  costs.event_issue = kEvent * costs.kernel_issue;
}

}  // namespace cairn
