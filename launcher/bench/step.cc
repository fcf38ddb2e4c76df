#include "launcher/bench/step.h"

#include <algorithm>
#include <random>

#include "checkpoint/activations/policy.h"
#include "launcher/engine.h"
#include "launcher/power_watch.h"
#include "parallel/worlds.h"
#include "runtime/arena.h"
#include "runtime/device_report.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// Steps that there are at least, however long they take: until a device has the
// clock that they leave it, and of those that count.
constexpr std::size_t kWarmUp = 3;
constexpr std::size_t kCounted = 7;

std::vector<std::int32_t> random_tokens(const PlanRequest& run) {
  std::mt19937 random(1);
  std::uniform_int_distribution<std::int32_t> draw(
      0, static_cast<std::int32_t>(run.model.vocab() - 1));
  std::vector<std::int32_t> tokens(
      static_cast<std::size_t>(run.options.batch.tokens()) *
      static_cast<std::size_t>(run.options.microbatches));
  for (std::int32_t& token : tokens) token = draw(random);
  return tokens;
}

// Steps one after the other, each enqueued while the one before it runs.
class Steps {
 public:
  Steps(Engine& engine, const std::vector<std::int32_t>& tokens)
      : engine_(engine), tokens_(tokens) {
    engine_.step(0, {tokens_, tokens_}, 0.0F);
  }

  // Seconds of each, until there were so many and they took so long.
  std::vector<double> run(std::size_t least, double least_seconds) {
    std::vector<double> seconds;
    double sum = 0;
    while (seconds.size() < least || sum < least_seconds) {
      engine_.step(next_, {tokens_, tokens_}, 0.0F);
      seconds.push_back(1e-3 * engine_.outcome(next_ - 1).step_ms);
      sum += seconds.back();
      ++next_;
    }
    return seconds;
  }

 private:
  Engine& engine_;
  const std::vector<std::int32_t>& tokens_;
  std::uint64_t next_ = 1;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double sum(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

std::unique_ptr<PowerWatch> watch_of(const BenchRequest& request) {
  PowerWatch::Meters meters;
  const Card card = card_of({request.device, request.backend.device});
  if (auto meter = make_device_meter(card.uuid)) {
    meters.push_back(std::move(meter));
  }
  if (meters.empty()) return nullptr;
  return std::make_unique<PowerWatch>(std::move(meters),
                                      std::chrono::milliseconds(50));
}

}  // namespace

StepRate measure_step(const BenchRequest& request, const CostModel& costs) {
  PlanRequest run = *request.run;
  if (run.options.parallel.world() != 1) {
    throw Error(Code::kBadArgument,
                "cairn bench step measures a run of one rank, and this one "
                "has " +
                    std::to_string(run.options.parallel.world()) +
                    "; set parallel.pipeline and parallel.data to 1");
  }
  run.costs = costs;
  const RunPlan plan = plan_run(run, request.activations);
  const auto backend = make_backend(name_of(request.device), request.backend);
  const auto stream = backend->make_stream("memory");
  Arena arena(backend->memory(), plan.ranks.front().arena_bytes, *stream);
  const auto worlds = make_thread_worlds(1, {});
  Engine engine(*backend, arena, *worlds.front(), run.model,
                policy_named(request.activations), run.options);
  engine.draw_weights();
  const std::vector<std::int32_t> tokens = random_tokens(run);
  const auto watch = watch_of(request);
  Steps steps(engine, tokens);
  steps.run(kWarmUp, request.step_seconds);
  const auto seconds = steps.run(kCounted, request.step_seconds);
  StepRate rate;
  if (watch) {
    const PowerDraw draw = watch->draw(sum(seconds));
    rate.watts = draw.watts;
    rate.sm_clock_mhz = draw.sm_clock_mhz;
  }
  rate.seconds = median(seconds);
  rate.predicted_seconds = 1e-3 * plan.step_ms();
  return rate;
}

}  // namespace cairn
