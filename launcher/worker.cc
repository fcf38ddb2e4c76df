#include "launcher/worker.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <iostream>
#include <optional>
#include <ostream>
#include <utility>

#include "launcher/cli.h"
#include "launcher/learning_rate.h"
#include "launcher/metrics.h"
#include "launcher/progress.h"
#include "launcher/run_directory.h"
#include "launcher/sample.h"
#include "runtime/error.h"

namespace cairn {
namespace {

std::unique_ptr<Backend> build_backend(const Config& config) {
  BackendOptions options;
  options.threads = static_cast<int>(config.train.threads);
  return make_backend(config.train.device, options);
}

// Whether progress is drawn in place, and how wide.
ProgressOptions progress_options(const Config& config,
                                 const std::ostream& out) {
  ProgressOptions options;
  options.steps = config.train.steps;
  options.terminal = &out == &std::cout && isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (options.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
      size.ws_col > 0) {
    options.columns = size.ws_col;
  }
  return options;
}

std::int64_t process_peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

// The tokens of one step, read on the host.
class StepReader {
 public:
  explicit StepReader(const Run& run)
      : sampler_(run.train(), run.config().data.sequence,
                 static_cast<std::uint64_t>(run.config().train.seed)),
        sequence_(static_cast<std::size_t>(run.config().data.sequence)),
        samples_(static_cast<std::size_t>(run.config().train.global_batch)),
        inputs_(samples_ * sequence_),
        targets_(samples_ * sequence_) {}

  StepBatch read(std::uint64_t step) {
    for (std::size_t i = 0; i < samples_; ++i) {
      sampler_.read(step * samples_ + i, inputs_.data() + i * sequence_,
                    targets_.data() + i * sequence_);
    }
    return {inputs_, targets_};
  }

 private:
  Sampler sampler_;
  std::size_t sequence_;
  std::size_t samples_;
  std::vector<std::int32_t> inputs_;
  std::vector<std::int32_t> targets_;
};

// One training run over an engine: steps, evaluations, records.
class Loop {
 public:
  Loop(const Run& run, Engine& engine, const Ledger& ledger,
       RunDirectory& directory, std::ostream& out)
      : run_(run),
        engine_(engine),
        ledger_(ledger),
        metrics_(directory.metrics()),
        progress_(out, progress_options(run.config(), out)),
        reader_(run) {}

  // Returns the number of steps made.
  std::int64_t run_steps(StopRequest& stop) {
    const Config& config = run_.config();
    const std::int64_t steps = config.train.steps;
    std::int64_t step = 0;
    for (; step < steps && !stop.requested(); ++step) {
      engine_.step(
          static_cast<std::uint64_t>(step),
          reader_.read(static_cast<std::uint64_t>(step)),
          static_cast<float>(learning_rate(config.optimizer, steps, step + 1)));
      if (evaluates_after(step)) {
        record_to(step);
        evaluate(step);
      } else {
        record_to(step - 1);
      }
    }
    record_to(step - 1);
    return step;
  }

  float last_loss() const { return last_loss_; }
  std::optional<float> last_valid_loss() const { return valid_loss_; }
  Progress& progress() { return progress_; }

 private:
  bool evaluates_after(std::int64_t step) const {
    if (run_.valid() == nullptr) return false;
    const std::int64_t every = run_.config().train.eval_every;
    const bool last = step + 1 == run_.config().train.steps;
    return last || (every > 0 && (step + 1) % every == 0);
  }

  // Records every step up to and including `step` that is not yet.
  void record_to(std::int64_t step) {
    for (; recorded_ <= step; ++recorded_) record(recorded_);
  }

  void record(std::int64_t step) {
    const Config& config = run_.config();
    const StepOutcome outcome =
        engine_.outcome(static_cast<std::uint64_t>(step));
    StepRecord record;
    record.step = step + 1;
    record.loss = outcome.loss;
    record.grad_norm = outcome.grad_norm;
    record.lr = learning_rate(config.optimizer, config.train.steps, step + 1);
    record.tokens =
        (step + 1) * config.train.global_batch * config.data.sequence;
    record.step_ms = outcome.step_ms;
    record.tokens_per_s =
        1e3 *
        static_cast<double>(config.train.global_batch * config.data.sequence) /
        outcome.step_ms;
    record.device_peak_bytes = static_cast<std::int64_t>(ledger_.total_peak());
    record.host_peak_bytes = process_peak_bytes();
    record.ms = outcome.ms;
    metrics_.append(step_line(record));
    last_loss_ = outcome.loss;
    if (!std::isfinite(outcome.loss) || !std::isfinite(outcome.grad_norm)) {
      stop_diverged(step, outcome);
    }
    progress_.step(record);
  }

  [[noreturn]] void stop_diverged(std::int64_t step,
                                  const StepOutcome& outcome) {
    const auto number = static_cast<std::uint64_t>(step);
    const std::string where =
        engine_.find_divergence(number, reader_.read(number));
    progress_.finish();
    throw Error(Code::kDiverged,
                "step " + std::to_string(step + 1) + " has loss " +
                    std::to_string(outcome.loss) + " and gradient norm " +
                    std::to_string(outcome.grad_norm) +
                    "; the first value that is not finite is in " + where +
                    ". The weights are those of the step before; lower "
                    "optimizer.lr, lengthen optimizer.warmup or set "
                    "optimizer.clip");
  }

  void evaluate(std::int64_t step) {
    const Config& config = run_.config();
    const auto sequence = static_cast<std::size_t>(config.data.sequence);
    const auto samples = static_cast<std::size_t>(config.train.micro_batch);
    const SequentialSampler sampler(*run_.valid(), config.data.sequence);
    std::vector<std::int32_t> inputs(samples * sequence);
    std::vector<std::int32_t> targets(samples * sequence);
    double sum = 0;
    const auto batches = static_cast<std::uint64_t>(config.train.eval_batches);
    for (std::uint64_t batch = 0; batch < batches; ++batch) {
      for (std::size_t s = 0; s < samples; ++s) {
        sampler.read((batch * samples + s) % sampler.samples(),
                     inputs.data() + s * sequence,
                     targets.data() + s * sequence);
      }
      sum += static_cast<double>(engine_.evaluate(inputs, targets));
    }
    valid_loss_ = static_cast<float>(sum / static_cast<double>(batches));
    metrics_.append(evaluation_line(step + 1, double{*valid_loss_}));
    progress_.evaluation(step + 1, *valid_loss_);
  }

  const Run& run_;
  Engine& engine_;
  const Ledger& ledger_;
  LineFile& metrics_;
  Progress progress_;
  StepReader reader_;
  std::int64_t recorded_ = 0;
  float last_loss_ = 0;
  std::optional<float> valid_loss_;
};

}  // namespace

int train(const Run& run, StopRequest& stop, std::ostream& out) {
  const Config& config = run.config();
  RunDirectory directory(run_directory(config), to_toml(config), out);
  directory.write_plan(run.plan_json());
  const auto backend = build_backend(config);
  const auto stream = backend->make_stream("memory");
  Arena arena(backend->memory(), run.plan().arena_bytes, *stream);
  Ledger ledger(arena);
  Engine engine(*backend, ledger, run.model(),
                policy_named(run.plan().activations), run.options());
  engine.draw_weights();

  Loop loop(run, engine, ledger, directory, out);
  const std::int64_t steps = loop.run_steps(stop);
  loop.progress().finish();
  const std::string hash = engine.weights_hash();
  directory.metrics().append(end_line(steps, hash, double{loop.last_loss()}));
  out << "weights_hash " << hash << "\n";
  if (stop.requested() && steps < config.train.steps) return kExitStopped;
  print_sample(run, engine, out);
  return kExitDone;
}

}  // namespace cairn
