// Run: from a config to data, model and plan, and the tables that say so.

#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "launcher/table.h"
#include "launcher/worker.h"
#include "runtime/data/prepare.h"
#include "runtime/error.h"

namespace cairn {
namespace {

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

EngineOptions engine_options(const Config& config) {
  EngineOptions options;
  options.batch = {config.train.micro_batch, config.data.sequence};
  options.microbatches =
      static_cast<int>(config.train.global_batch / config.train.micro_batch);
  options.seed = static_cast<std::uint64_t>(config.train.seed);
  options.beta1 = static_cast<float>(config.optimizer.betas[0]);
  options.beta2 = static_cast<float>(config.optimizer.betas[1]);
  options.epsilon = static_cast<float>(config.optimizer.eps);
  options.weight_decay = static_cast<float>(config.optimizer.weight_decay);
  options.clip = static_cast<float>(config.optimizer.clip);
  return options;
}

// Of the parameters whose names begin alike: "block.3", "embedding", "head".
std::string group_of(const std::string& name) {
  const bool layer = name.rfind("block.", 0) == 0;
  return name.substr(0, name.find('.', layer ? 6 : 0));
}

// Parameters by group, in canonical order; blocks that are alike share a row.
std::vector<std::pair<std::string, std::int64_t>> by_group(
    const ParameterLayout& layout) {
  std::vector<std::pair<std::string, std::int64_t>> rows;
  for (const ParameterLayout::Entry& entry : layout.entries()) {
    const std::string group = group_of(entry.spec.name);
    if (rows.empty() || rows.back().first != group) rows.push_back({group, 0});
    rows.back().second += entry.spec.shape.elements();
  }
  return rows;
}

}  // namespace

Run::Run(Config config, const ModelFamilies& families)
    : config_(std::move(config)) {
  open_data();
  make_model(families);
  make_plan();
}

void Run::open_data() {
  if (config_.model.context == 0) config_.model.context = config_.data.sequence;
  tokenizer_ = tokenizer_of(config_.data.train);
  if (config_.model.vocab == 0) {
    if (!tokenizer_) {
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
}

void Run::make_plan() {
  const PlanRequest request{*model_, options_,
                            static_cast<int>(config_.train.threads),
                            config_.sample.tokens > 0};
  plan_ = choose_plan(
      request, config_.memory.activations,
      static_cast<std::size_t>(device_budget_bytes(config_).value_or(0)));
}

void Run::print(std::ostream& out) const {
  Table parameters({"parameters", "count"});
  for (const auto& [group, count] : by_group(model_->layout())) {
    parameters.add({group, std::to_string(count)});
  }
  parameters.rule();
  parameters.add({"all", std::to_string(model_->layout().parameters())});
  parameters.print(out);

  std::vector<std::pair<std::string, std::int64_t>> memory;
  memory.reserve(kOwners + 1);
  for (int o = 0; o < kOwners; ++o) {
    memory.emplace_back(name_of(static_cast<Owner>(o)), plan_.at_peak[o]);
  }
  memory.emplace_back("gaps between buffers", plan_.gaps());
  out << "\n";
  byte_table("memory, activations = " + plan_.activations, memory).print(out);
  out << "\n";
}

std::string Run::plan_json() const {
  nlohmann::ordered_json memory;
  for (int o = 0; o < kOwners; ++o) {
    memory[name_of(static_cast<Owner>(o))] = plan_.at_peak[o];
  }
  memory["gaps"] = plan_.gaps();
  nlohmann::ordered_json rank;
  rank["rank"] = 0;
  rank["stage"] = 0;
  rank["device_peak_bytes"] = plan_.peak_bytes;
  rank["arena_bytes"] = plan_.arena_bytes;
  rank["memory"] = memory;
  nlohmann::ordered_json plan;
  plan["parameters"] = model_->layout().parameters();
  plan["activations"] = plan_.activations;
  plan["ranks"] = nlohmann::ordered_json::array({rank});
  return plan.dump(2) + "\n";
}

}  // namespace cairn
