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
#include "launcher/plan_report.h"
#include "launcher/progress.h"
#include "launcher/run_directory.h"
#include "launcher/sample.h"
#include "runtime/error.h"

namespace cairn {
namespace {

std::unique_ptr<Backend> build_backend(const Run& run) {
  BackendOptions options;
  options.threads = run.threads();
  return make_backend(run.config().train.device, options);
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

// A replica's tokens of one step, read on the host.
class StepReader {
 public:
  StepReader(const Run& run, int replica)
      : sampler_(run.train(), run.config().data.sequence,
                 static_cast<std::uint64_t>(run.config().train.seed)),
        sequence_(static_cast<std::size_t>(run.config().data.sequence)),
        all_samples_(static_cast<std::size_t>(run.config().train.global_batch)),
        samples_(all_samples_ /
                 static_cast<std::size_t>(run.config().parallel.data)),
        first_(static_cast<std::size_t>(replica) * samples_),
        inputs_(samples_ * sequence_),
        targets_(samples_ * sequence_) {}

  StepBatch read(std::uint64_t step) {
    for (std::size_t i = 0; i < samples_; ++i) {
      sampler_.read(step * all_samples_ + first_ + i,
                    inputs_.data() + i * sequence_,
                    targets_.data() + i * sequence_);
    }
    return {inputs_, targets_};
  }

 private:
  Sampler sampler_;
  std::size_t sequence_;
  std::size_t all_samples_;  // of a step, over all replicas
  std::size_t samples_;
  std::size_t first_;
  std::vector<std::int32_t> inputs_;
  std::vector<std::int32_t> targets_;
};

// One rank's training over an engine: steps and evaluations, and on rank 0
// (which has a run directory) their records.
class Loop {
 public:
  Loop(const Run& run, World& world, Engine& engine, const Ledger& ledger,
       RunDirectory* directory, std::ostream& out)
      : run_(run),
        world_(world),
        engine_(engine),
        ledger_(ledger),
        replica_(
            make_mesh(run.options().parallel).coordinate(world.rank(), "dp")),
        metrics_(directory != nullptr ? &directory->metrics() : nullptr),
        progress_(out, progress_options(run.config(), out)),
        reader_(run, replica_) {}

  // Returns the number of steps made.
  std::int64_t run_steps(StopRequest& stop) {
    const Config& config = run_.config();
    const std::int64_t steps = config.train.steps;
    std::int64_t step = 0;
    for (; step < steps && !stopped_; ++step) {
      StepBatch batch = reader_.read(static_cast<std::uint64_t>(step));
      batch.stop = is_to_stop(stop);
      engine_.step(
          static_cast<std::uint64_t>(step), batch,
          static_cast<float>(learning_rate(config.optimizer, steps, step + 1)));
      if (step < 2) measure_peaks();
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

  bool stopped() const { return stopped_; }
  float last_loss() const { return last_loss_; }
  Progress& progress() { return progress_; }

 private:
  // Whoever started the ranks ends all of them when one is lost. That is not
  // the user's wish to stop in order, which needs every rank.
  bool is_to_stop(const StopRequest& stop) {
    if (!stop.requested()) return false;
    if (const auto why = world_.lost()) throw Error(Code::kPeerLost, *why);
    return true;
  }

  bool evaluates_after(std::int64_t step) const {
    if (run_.valid() == nullptr) return false;
    const std::int64_t every = run_.config().train.eval_every;
    const bool last = step + 1 == run_.config().train.steps;
    return last || (every > 0 && (step + 1) % every == 0);
  }

  // Of the rank that has most. Peaks grow in the first steps and evaluations
  // only.
  void measure_peaks() {
    device_peak_ = static_cast<std::int64_t>(
        engine_.most(static_cast<double>(ledger_.total_peak())));
    host_peak_ = static_cast<std::int64_t>(
        engine_.most(static_cast<double>(process_peak_bytes())));
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
    record.device_peak_bytes = device_peak_;
    record.host_peak_bytes = host_peak_;
    record.ms = outcome.ms;
    if (metrics_ != nullptr) metrics_->append(step_line(record));
    last_loss_ = outcome.loss;
    stopped_ = stopped_ || outcome.stop;
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

  // Replicas take the batches in turn.
  void evaluate(std::int64_t step) {
    const Config& config = run_.config();
    const auto replicas = static_cast<std::uint64_t>(config.parallel.data);
    const auto batches = static_cast<std::uint64_t>(config.train.eval_batches);
    double sum = 0;
    for (std::uint64_t batch = 0; batch < batches; batch += replicas) {
      const std::vector<float> losses =
          evaluate_batch(batch + static_cast<std::uint64_t>(replica_));
      for (std::uint64_t r = 0; r < std::min(replicas, batches - batch); ++r) {
        sum += static_cast<double>(losses[r]);
      }
    }
    const double loss = sum / static_cast<double>(batches);
    measure_peaks();
    if (metrics_ != nullptr) metrics_->append(evaluation_line(step + 1, loss));
    progress_.evaluation(step + 1, loss);
  }

  std::vector<float> evaluate_batch(std::uint64_t batch) {
    const Config& config = run_.config();
    const auto sequence = static_cast<std::size_t>(config.data.sequence);
    const auto samples = static_cast<std::size_t>(config.train.micro_batch);
    const SequentialSampler sampler(*run_.valid(), config.data.sequence);
    std::vector<std::int32_t> inputs(samples * sequence);
    std::vector<std::int32_t> targets(samples * sequence);
    for (std::size_t s = 0; s < samples; ++s) {
      sampler.read((batch * samples + s) % sampler.samples(),
                   inputs.data() + s * sequence, targets.data() + s * sequence);
    }
    return engine_.evaluate(inputs, targets);
  }

  const Run& run_;
  World& world_;
  Engine& engine_;
  const Ledger& ledger_;
  int replica_;
  LineFile* metrics_;
  Progress progress_;
  StepReader reader_;
  std::int64_t recorded_ = 0;
  std::int64_t device_peak_ = 0;
  std::int64_t host_peak_ = 0;
  bool stopped_ = false;
  float last_loss_ = 0;
};

std::optional<RunDirectory> build_directory(const Run& run, const World& world,
                                            std::ostream& out) {
  std::optional<RunDirectory> directory;
  if (world.rank() != 0) return directory;
  directory.emplace(run_directory(run.config()), to_toml(run.config()), out);
  directory->write_plan(plan_json(run));
  return directory;
}

}  // namespace

int train_rank(const Run& run, World& world, StopRequest& stop,
               std::ostream& out) {
  auto directory = build_directory(run, world, out);
  const auto backend = build_backend(run);
  const auto stream = backend->make_stream("memory");
  const RankPlan& memory = run.plan().ranks.at(world.rank());
  Arena arena(backend->memory(), memory.arena_bytes, *stream);
  Ledger ledger(arena);
  Engine engine(*backend, ledger, world, run.model(),
                policy_named(run.plan().activations), run.options());
  engine.draw_weights();

  Loop loop(run, world, engine, ledger, directory ? &*directory : nullptr, out);
  const std::int64_t steps = loop.run_steps(stop);
  loop.progress().finish();
  const std::string hash = engine.weights_hash();
  if (directory) {
    directory->metrics().append(
        end_line(steps, hash, double{loop.last_loss()}));
    out << "weights_hash " << hash << "\n";
  }
  if (loop.stopped() && steps < run.config().train.steps) return kExitStopped;
  print_sample(run, engine, out);
  return kExitDone;
}

}  // namespace cairn
