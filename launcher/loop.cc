#include "launcher/loop.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <ostream>

#include "launcher/learning_rate.h"
#include "launcher/metrics.h"
#include "runtime/error.h"

namespace cairn {
namespace {

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

}  // namespace

StepReader::StepReader(const Run& run, int replica)
    : sampler_(run.train(), run.config().data.sequence,
               static_cast<std::uint64_t>(run.config().train.seed)),
      sequence_(static_cast<std::size_t>(run.config().data.sequence)),
      all_samples_(static_cast<std::size_t>(run.config().train.global_batch)),
      samples_(all_samples_ /
               static_cast<std::size_t>(run.config().parallel.data)),
      first_(static_cast<std::size_t>(replica) * samples_),
      inputs_(samples_ * sequence_),
      targets_(samples_ * sequence_) {}

StepBatch StepReader::read(std::uint64_t step) {
  for (std::size_t i = 0; i < samples_; ++i) {
    sampler_.read(step * all_samples_ + first_ + i,
                  inputs_.data() + i * sequence_,
                  targets_.data() + i * sequence_);
  }
  return {inputs_, targets_};
}

Loop::Loop(const Rank& rank, std::ostream& out)
    : rank_(rank),
      config_(rank.run.config()),
      engine_(rank.engine),
      replica_(make_mesh(rank.run.options().parallel)
                   .coordinate(rank.world.rank(), "dp")),
      progress_(out, progress_options(config_, out)),
      reader_(rank.run, replica_) {}

std::int64_t Loop::run_steps(StopRequest& stop) {
  if (rank_.efficiency != nullptr && !rank_.efficiency->unknown().empty()) {
    progress_.say(rank_.efficiency->unknown());
  }
  std::int64_t step = 0;
  for (; step < config_.train.steps && !stopped_; ++step) {
    enqueue(step, stop);
    if (step < 2) measure_peaks();
    const bool waits = evaluates_after(step) || traces(step);
    record_to(waits ? step : step - 1);
    if (evaluates_after(step)) evaluate(step);
  }
  record_to(step - 1);
  progress_.finish();
  return step;
}

void Loop::enqueue(std::int64_t step, StopRequest& stop) {
  const auto number = static_cast<std::uint64_t>(step);
  StepBatch batch = reader_.read(number);
  batch.stop = is_to_stop(stop);
  if (traces(step)) rank_.trace->begin();
  engine_.step(number, batch,
               static_cast<float>(learning_rate(
                   config_.optimizer, config_.train.steps, step + 1)));
}

// Whoever started the ranks ends all of them when one is lost. That is not the
// user's wish to stop in order, which needs every rank.
bool Loop::is_to_stop(const StopRequest& stop) const {
  if (!stop.requested()) return false;
  if (const auto why = rank_.world.lost()) throw Error(Code::kPeerLost, *why);
  return true;
}

bool Loop::evaluates_after(std::int64_t step) const {
  if (rank_.run.valid() == nullptr) return false;
  const std::int64_t every = config_.train.eval_every;
  const bool last = step + 1 == config_.train.steps;
  return last || (every > 0 && (step + 1) % every == 0);
}

bool Loop::traces(std::int64_t step) const {
  return rank_.trace != nullptr && step + 1 == config_.run.trace_step;
}

// Of the rank that has most. Peaks grow in the first steps and in evaluations
// only.
void Loop::measure_peaks() {
  device_peak_ = static_cast<std::int64_t>(
      engine_.most(static_cast<double>(rank_.ledger.total_peak())));
  host_peak_ = static_cast<std::int64_t>(
      engine_.most(static_cast<double>(process_peak_bytes())));
}

// Records every step up to and including `step` that is not yet.
void Loop::record_to(std::int64_t step) {
  for (; recorded_ <= step; ++recorded_) record(recorded_);
}

void Loop::record(std::int64_t step) {
  const StepOutcome outcome = engine_.outcome(static_cast<std::uint64_t>(step));
  const std::int64_t tokens =
      config_.train.global_batch * config_.data.sequence;
  StepRecord record;
  record.step = step + 1;
  record.loss = outcome.loss;
  record.grad_norm = outcome.grad_norm;
  record.lr = learning_rate(config_.optimizer, config_.train.steps, step + 1);
  record.tokens = (step + 1) * tokens;
  record.step_ms = outcome.step_ms;
  record.tokens_per_s = 1e3 * static_cast<double>(tokens) / outcome.step_ms;
  record.device_peak_bytes = device_peak_;
  record.host_peak_bytes = host_peak_;
  record.ms = outcome.ms;
  if (rank_.efficiency != nullptr) rank_.efficiency->add_to(record, tokens);
  if (rank_.directory != nullptr) {
    rank_.directory->metrics().append(step_line(record));
  }
  if (traces(step)) write_step_trace(step);
  last_loss_ = outcome.loss;
  stopped_ = stopped_ || outcome.stop;
  if (!std::isfinite(outcome.loss) || !std::isfinite(outcome.grad_norm)) {
    stop_diverged(step, outcome);
  }
  progress_.step(record);
}

void Loop::write_step_trace(std::int64_t step) {
  const auto spans =
      rank_.trace->gather(engine_.spans(static_cast<std::uint64_t>(step)));
  if (rank_.directory == nullptr) return;
  write_trace(rank_.directory->path() / "trace.json", spans,
              transfer_arrows(spans, static_cast<int>(config_.parallel.data)));
}

void Loop::stop_diverged(std::int64_t step, const StepOutcome& outcome) {
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
void Loop::evaluate(std::int64_t step) {
  const auto replicas = static_cast<std::uint64_t>(config_.parallel.data);
  const auto batches = static_cast<std::uint64_t>(config_.train.eval_batches);
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
  if (rank_.directory != nullptr) {
    rank_.directory->metrics().append(evaluation_line(step + 1, loss));
  }
  progress_.evaluation(step + 1, loss);
}

std::vector<float> Loop::evaluate_batch(std::uint64_t batch) {
  const auto sequence = static_cast<std::size_t>(config_.data.sequence);
  const auto samples = static_cast<std::size_t>(config_.train.micro_batch);
  const SequentialSampler sampler(*rank_.run.valid(), config_.data.sequence);
  std::vector<std::int32_t> inputs(samples * sequence);
  std::vector<std::int32_t> targets(samples * sequence);
  for (std::size_t s = 0; s < samples; ++s) {
    sampler.read((batch * samples + s) % sampler.samples(),
                 inputs.data() + s * sequence, targets.data() + s * sequence);
  }
  return engine_.evaluate(inputs, targets);
}

}  // namespace cairn
