// Run: from a config to data, model and plan.

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>
#include <utility>

#include "launcher/costs.h"
#include "launcher/step_program.h"
#include "launcher/worker.h"
#include "parallel/check.h"
#include "parallel/stage_cuts.h"
#include "runtime/data/prepare.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// With a line for each rank; without a line it would be no schedule.
std::string read_schedule(const std::string& file, std::int64_t ranks) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  if (!text.str().empty()) return text.str();
  throw Error(Code::kBadArgument,
              "parallel.schedule_file = \"" + file + "\" " +
                  (in.is_open() ? "is empty or no file" : "cannot be opened") +
                  "; name a file with a line \"rank R: PROGRAM\" for each of "
                  "the " +
                  std::to_string(ranks) +
                  " ranks of the pipeline, or choose parallel.schedule");
}

// "4,5,5" as numbers.
std::vector<int> parse_cuts(const std::string& text) {
  std::vector<int> cuts;
  std::stringstream in(text.empty() ? text : text + ",");
  for (std::string word; std::getline(in, word, ',');) {
    int count = 0;
    const auto [end, error] =
        std::from_chars(word.data(), word.data() + word.size(), count);
    if (error != std::errc{} || end != word.data() + word.size()) {
      throw Error(Code::kBadArgument,
                  "parallel.cuts = \"" + text + "\" has \"" + word +
                      "\", which is not a number of blocks; write it as "
                      "\"4,5,5\"");
    }
    cuts.push_back(count);
  }
  return cuts;
}

ModelConfig model_config(const Config& config) {
  ModelConfig model;
  model.family = config.model.family;
  model.layers = config.model.layers;
  model.width = config.model.width;
  model.heads = config.model.heads;
  model.kv_heads = config.model.kv_heads;
  model.ffn = config.model.ffn;
  model.vocab = config.model.vocab;
  model.context = config.model.context;
  model.dropout = static_cast<float>(config.model.dropout);
  model.tied = config.model.tied;
  model.norm_epsilon = static_cast<float>(config.model.norm_epsilon);
  model.rope_theta = static_cast<float>(config.model.rope_theta);
  return model;
}

ParallelOptions parallel_options(const Config& config) {
  const ParallelSection& section = config.parallel;
  ParallelOptions options;
  options.pipeline = static_cast<int>(section.pipeline);
  options.data = static_cast<int>(section.data);
  options.schedule = section.schedule;
  if (!section.schedule_file.empty()) {
    options.schedule_text =
        read_schedule(section.schedule_file, section.pipeline);
  }
  options.chunks = static_cast<int>(section.chunks);
  options.cuts = parse_cuts(section.cuts);
  options.sharding = static_cast<int>(config.sharding.stage);
  options.gather_ahead = static_cast<int>(config.sharding.gather_ahead);
  options.receive_ahead = static_cast<int>(section.receive_ahead);
  options.gradient_groups = static_cast<int>(section.gradient_groups);
  return options;
}

EngineOptions engine_options(const Config& config) {
  EngineOptions options;
  options.batch = {config.train.micro_batch, config.data.sequence};
  options.microbatches =
      static_cast<int>(config.train.global_batch / config.train.micro_batch /
                       config.parallel.data);
  options.seed = static_cast<std::uint64_t>(config.train.seed);
  if (config.train.precision == "bf16") options.dtype = DType::kBF16;
  options.deterministic = config.train.deterministic;
  options.adamw.beta1 = static_cast<float>(config.optimizer.betas[0]);
  options.adamw.beta2 = static_cast<float>(config.optimizer.betas[1]);
  options.adamw.epsilon = static_cast<float>(config.optimizer.eps);
  options.adamw.weight_decay =
      static_cast<float>(config.optimizer.weight_decay);
  options.adamw.clip = static_cast<float>(config.optimizer.clip);
  options.parallel = parallel_options(config);
  return options;
}

int threads_of_rank(const Config& config, int local_ranks) {
  if (config.train.threads > 0) return static_cast<int>(config.train.threads);
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, cores / std::max(1, local_ranks));
}

}  // namespace

Run::Run(Config config, const ModelFamilies& families, int local_ranks,
         std::optional<CostModel> costs)
    : config_(std::move(config)),
      threads_(threads_of_rank(
          config_, local_ranks > 0
                       ? local_ranks
                       : static_cast<int>(config_.parallel.pipeline *
                                          config_.parallel.data))) {
  if (costs) {
    costs_ = *std::move(costs);
  } else if (!config_.parallel.costs.empty()) {
    costs_ = read_costs(config_.parallel.costs);
  } else {
    costs_ = default_costs(device_of(config_));
  }
  open_data();
  make_model(families);
  make_plan();
}

void Run::open_data() {
  if (config_.model.context == 0) config_.model.context = config_.data.sequence;
  tokenizer_ = tokenizer_of(config_.data.train);
  if (config_.model.vocab == 0) {
    if (!tokenizer_) {
      // What is wrong with the file itself comes first.
      TokenOptions any{config_.data.format,
                       std::numeric_limits<std::int32_t>::max(),
                       config_.data.sequence};
      const TokenShards readable(config_.data.train, any);
      throw Error(Code::kBadArgument,
                  "model.vocab is not set and " + config_.data.train +
                      " has no " + config_.data.train +
                      ".json beside it that would say; set model.vocab");
    }
    config_.model.vocab = tokenizer_->vocab_size();
  }
  const TokenOptions options{config_.data.format, config_.model.vocab,
                             config_.data.sequence};
  train_ = std::make_unique<TokenShards>(config_.data.train, options);
  if (!config_.data.valid.empty()) {
    valid_ = std::make_unique<TokenShards>(config_.data.valid, options);
  }
  check(config_);
}

void Run::make_model(const ModelFamilies& families) {
  model_ = std::make_unique<Model>(families.make(model_config(config_)));
  options_ = engine_options(config_);
  check_schedule_file();
}

PlanRequest Run::plan_request() const {
  return {*model_, options_,          threads_, config_.sample.tokens > 0,
          costs_,  device_of(config_)};
}

// What a plan would say too, but not of which file, nor in its words: first it
// is looked at as it was written.
void Run::check_schedule_file() const {
  if (options_.parallel.schedule_text.empty()) return;
  const StagePlan stages = plan_stages(*model_, options_);
  try {
    check(schedule_from_text(options_.parallel.schedule_text, stages.shape));
    step_program(stages, options_);
  } catch (const Error& error) {
    throw Error(error.code(),
                "parallel.schedule_file = \"" + config_.parallel.schedule_file +
                    "\" does not fit " + std::to_string(stages.shape.ranks) +
                    " ranks with " + std::to_string(stages.shape.chunks) +
                    " chunks and " + std::to_string(stages.shape.microbatches) +
                    " micro-batches: " + error.message());
  }
}

// Costs that were measured also say where to cut, unless the user did.
void Run::make_plan() {
  std::vector<int>& cuts = options_.parallel.cuts;
  const int stages = options_.parallel.pipeline * options_.parallel.chunks;
  if (!costs_.measured.empty() && cuts.empty() && stages > 1) {
    cuts = cut_stages(block_seconds(plan_request()), stages);
  }
  plan_ = choose_plan(
      plan_request(), config_.memory.activations,
      static_cast<std::size_t>(device_budget_bytes(config_).value_or(0)));
}

}  // namespace cairn
