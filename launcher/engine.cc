#include "launcher/engine.h"

#include <algorithm>
#include <utility>

#include "launcher/engine_slot.h"
#include "runtime/error.h"

namespace cairn {
namespace {

bool has_blocks(const StagePlan& plan, int place, int stage) {
  return plan.shape.rank_of(stage) == place;
}

std::vector<int> blocks_at(const StagePlan& plan, int place) {
  std::vector<int> blocks;
  for (int s = 0; s < plan.shape.stages(); ++s) {
    if (!has_blocks(plan, place, s)) continue;
    for (auto b = plan.blocks[s].first; b < plan.blocks[s].end; ++b) {
      blocks.push_back(static_cast<int>(b));
    }
  }
  return blocks;
}

}  // namespace

Engine::Places Engine::places(const World& world,
                              const ParallelOptions& parallel) {
  if (world.size() != parallel.world()) {
    throw Error(Code::kBadArgument,
                "parallel.pipeline = " + std::to_string(parallel.pipeline) +
                    " times parallel.data = " + std::to_string(parallel.data) +
                    " is " + std::to_string(parallel.world()) +
                    " ranks, and the run has " + std::to_string(world.size()));
  }
  const Mesh mesh = make_mesh(parallel);
  const int rank = world.rank();
  return {mesh.coordinate(rank, "pp"), mesh.coordinate(rank, "dp"),
          mesh.group(rank, "pp"), mesh.group(rank, "dp")};
}

ShardingOptions Engine::sharding_options() const {
  ShardingOptions sharding;
  sharding.stage = options_.parallel.sharding;
  sharding.groups = options_.parallel.gradient_groups;
  sharding.blocks = blocks_at(stage_plan_, places_.pipeline);
  sharding.data_ranks = places_.data_ranks;
  if (stage_plan_.shared && (holds_first() || holds_last())) {
    sharding.shared_ranks = {places_.pipeline_ranks.front(),
                             places_.pipeline_ranks.back()};
  }
  sharding.most_rows = most_rows(model_, options_);
  sharding.dtype = options_.dtype;
  sharding.keep_gradients = options_.keep_gradients;
  return sharding;
}

std::vector<std::unique_ptr<RankStage>> Engine::make_stages() {
  std::vector<std::unique_ptr<RankStage>> stages;
  for (int s = 0; s < stage_plan_.shape.stages(); ++s) {
    if (!has_blocks(stage_plan_, places_.pipeline, s)) continue;
    stages.push_back(std::make_unique<RankStage>(model_, options_, state_,
                                                 parameters_, context_,
                                                 stage_plan_.blocks[s]));
  }
  return stages;
}

Executor Engine::make_executor(World& world, int channel_capacity) {
  Executor::Stages by_number;
  int stage = places_.pipeline;
  for (const auto& mine : stages_) {
    by_number[stage] = mine.get();
    stage += stage_plan_.shape.ranks;
  }
  const Compute compute = state_.compute();
  return {compute,
          stage_plan_.shape,
          std::move(by_number),
          make_channels(compute, timeline_, world,
                        {stage_plan_.shape, places_.pipeline_ranks,
                         places_.pipeline, channel_capacity}),
          store_,
          timeline_};
}

Engine::Engine(Backend& backend, MemoryResource& memory, World& world,
               const Model& model, Policy policy, const EngineOptions& options)
    : model_(model),
      options_(options),
      places_(places(world, options.parallel)),
      stage_plan_(plan_stages(model, options)),
      state_(backend, memory, model, options, holds_first(), holds_last()),
      parameters_(state_.compute(), timeline_, world, model,
                  sharding_options()),
      optimizer_(state_.compute(), world, model, parameters_, options.adamw,
                 {places_.data_ranks, places_.pipeline_ranks}),
      store_(std::move(policy), timeline_),
      stages_(make_stages()),
      step_program_(step_program(stage_plan_, options)),
      executor_(make_executor(world, step_program_.channel_capacity)),
      forward_program_(
          forward_schedule(stage_plan_, options).programs[places_.pipeline]),
      rows_(model.vocab()) {
  if (options.parallel.pipeline > 1) {
    report_pipeline_ = world.make("report, pipeline", places_.pipeline_ranks);
  }
  if (options.parallel.data > 1) {
    report_data_ = world.make("report, data", places_.data_ranks);
  }
  for (int s = 0; s < 2; ++s) {
    slots_.push_back(std::make_unique<Slot>(backend, *state_.stream, options_));
  }
}

// Work in flight uses the slots' memory.
Engine::~Engine() {
  try {
    state_.stream->synchronize();
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // Whoever waits for an outcome has been told.
  }
}

void Engine::draw_weights() {
  parameters_.draw(options_.seed);
  optimizer_.reset();
  timeline_.take();  // belongs to no step
}

void Engine::fill_slot(Slot& slot, std::uint64_t number,
                       const StepBatch& batch) {
  if (slot.end) slot.end->synchronize();
  require(batch.inputs.size() == slot.inputs.size() &&
              batch.targets.size() == slot.targets.size(),
          "a step takes micro-batches x samples x sequence tokens");
  slot.number = number;
  slot.stop[0] = batch.stop ? 1.0F : 0.0F;
  std::copy(batch.inputs.begin(), batch.inputs.end(), slot.inputs.begin());
  std::copy(batch.targets.begin(), batch.targets.end(), slot.targets.begin());
  if (!holds_first()) return;
  const auto groups =
      static_cast<std::size_t>(options_.parallel.gradient_groups);
  const std::size_t tokens = slot.inputs.size() / groups;
  for (std::size_t g = 0; g < groups; ++g) {
    rows_.clear();
    rows_.add(slot.inputs.subspan(g * tokens, tokens),
              slot.token_rows.subspan(g * tokens, tokens));
    slot.keep_rows(g, rows_.tokens());
  }
}

void Engine::step(std::uint64_t number, const StepBatch& batch, float lr) {
  Slot& slot = *slots_[number % slots_.size()];
  fill_slot(slot, number, batch);
  slot.before = last_end_;
  slot.begin = state_.stream->record();
  upload(slot);
  begin_training(number, slot);
  executor_.run(program());
  {
    const Timeline::Span span =
        timeline_.open(*state_.stream, Phase::kOptimizer, "update");
    optimizer_.step(number, lr);
  }
  share_report();
  state_.backend.download(*state_.stream, slot.reports.data(), state_.reports);
  state_.backend.download(*state_.stream, slot.norm.data(), optimizer_.norm());
  slot.end = state_.stream->record();
  slot.spans = timeline_.take();
  last_end_ = slot.end;
}

void Engine::upload(Slot& slot) {
  const Timeline::Span span =
      timeline_.open(*state_.stream, Phase::kData, "tokens");
  Backend& backend = state_.backend;
  Stream& stream = *state_.stream;
  if (state_.targets) {
    backend.upload(stream, state_.targets, slot.targets.data());
  }
  if (!state_.inputs) return;
  backend.upload(stream, state_.inputs, slot.inputs.data());
  backend.upload(stream, state_.token_rows, slot.token_rows.data());
  const std::int64_t most = state_.row_tokens.shape()[1];
  for (std::size_t g = 0; g < slot.row_tokens.size(); ++g) {
    const auto rows = static_cast<std::int64_t>(slot.row_tokens[g].size());
    backend.upload(stream,
                   state_.row_tokens.view().part(
                       static_cast<std::int64_t>(g) * most, {rows}),
                   slot.row_tokens[g].data());
  }
}

void Engine::begin_training(std::uint64_t number, const Slot& slot) {
  const auto samples = static_cast<std::uint64_t>(options_.microbatches) *
                       static_cast<std::uint64_t>(options_.batch.samples);
  const auto replicas = static_cast<std::uint64_t>(options_.parallel.data);
  context_.batch = options_.batch;
  context_.training = true;
  context_.first_sample =
      (number * replicas + static_cast<std::uint64_t>(places_.data)) * samples;
  context_.losses = state_.report;
  context_.logits = {};
  context_.rows.clear();
  for (const auto& tokens : slot.row_tokens) {
    context_.rows.push_back(static_cast<std::int64_t>(tokens.size()));
  }
  if (!holds_last()) {
    state_.kernels->fill(*state_.stream, state_.report, 0.0F);
  }
  state_.backend.upload(*state_.stream,
                        state_.report.view().part(options_.microbatches, {1}),
                        slot.stop.data());
}

// Losses are on the last stages, wishes to stop anywhere: every rank gets all.
void Engine::share_report() {
  const Timeline::Span span =
      timeline_.open(*state_.stream, Phase::kCommunication, "report");
  Stream& stream = *state_.stream;
  if (report_pipeline_) report_pipeline_->all_reduce(stream, state_.report);
  if (report_data_) {
    report_data_->all_gather(stream, state_.report, state_.reports);
  } else {
    state_.kernels->cast(stream, state_.report, state_.reports);
  }
}

StepOutcome Engine::outcome(std::uint64_t number) {
  Slot& slot = *slots_[number % slots_.size()];
  require(slot.end != nullptr && slot.number == number,
          "only the last two steps' outcomes are kept");
  slot.end->synchronize();
  StepOutcome outcome;
  const auto size = static_cast<std::size_t>(options_.microbatches) + 1;
  double sum = 0;
  for (std::size_t i = 0; i < slot.reports.size(); ++i) {
    const bool wish = i % size + 1 == size;
    if (wish) {
      outcome.stop = outcome.stop || slot.reports[i] > 0;
    } else {
      sum += static_cast<double>(slot.reports[i]);
    }
  }
  outcome.loss = static_cast<float>(
      sum / static_cast<double>(options_.all_microbatches()));
  outcome.grad_norm = slot.norm[0];
  const Event& from = slot.before ? *slot.before : *slot.begin;
  outcome.step_ms = 1e3 * slot.end->seconds_since(from);
  outcome.ms = milliseconds(slot.spans, *state_.stream);
  auto& data = outcome.ms[static_cast<int>(Phase::kData)];
  data += 1e3 * slot.begin->seconds_since(from);
  double known = 0;
  for (const double part : outcome.ms) known += part;
  outcome.ms[static_cast<int>(Phase::kOther)] += outcome.step_ms - known;
  return outcome;
}

const std::vector<Timeline::Record>& Engine::spans(std::uint64_t number) const {
  const Slot& slot = *slots_[number % slots_.size()];
  require(slot.number == number, "only the last two steps' spans are kept");
  return slot.spans;
}

}  // namespace cairn
