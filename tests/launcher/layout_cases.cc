#include "layout_cases.h"

#include "checkpoint/activations/policy.h"

namespace cairn {
namespace {

std::vector<LayoutCase> tables() {
  return {{1, 1, "1f1b", 1},  {1, 2, "1f1b", 1},        {2, 1, "1f1b", 1},
          {2, 2, "1f1b", 1},  {4, 1, "1f1b", 1},        {4, 2, "1f1b", 1},
          {2, 2, "gpipe", 1}, {4, 1, "gpipe", 1},       {2, 1, "gpipe", 2},
          {1, 2, "gpipe", 3}, {2, 2, "interleaved", 2}, {2, 1, "zb-h1", 1},
          {4, 2, "zb-h1", 1}, {1, 2, "zb-h1", 1}};
}

}  // namespace

std::string to_text(const LayoutCase& layout) {
  return layout.schedule + ", " + std::to_string(layout.chunks) + " chunks, " +
         std::to_string(layout.pipeline) + " x " + std::to_string(layout.data) +
         ", ZeRO " + std::to_string(layout.sharding) + ", " + layout.policy +
         (layout.tied ? ", tied, " : ", untied, ") + name_of(layout.dtype);
}

Model model_of(const LayoutCase& layout) {
  ModelConfig config;
  config.family = layout.tied ? "gpt2" : "llama";
  config.layers = 4;
  config.width = 12;
  config.heads = 2;
  config.kv_heads = layout.tied ? 2 : 1;
  config.vocab = 19;
  config.context = 6;
  config.dropout = 0.1F;
  config.tied = layout.tied;
  return Model(built_in_families().make(config));
}

EngineOptions options_of(const LayoutCase& layout) {
  EngineOptions options;
  options.batch = {2, 5};
  options.microbatches = 4;
  options.seed = 77;
  options.dtype = layout.dtype;
  options.parallel.pipeline = layout.pipeline;
  options.parallel.data = layout.data;
  options.parallel.schedule = layout.schedule;
  options.parallel.chunks = layout.chunks;
  options.parallel.sharding = layout.sharding;
  return options;
}

std::vector<LayoutCase> all_layouts() {
  std::vector<LayoutCase> all;
  for (LayoutCase layout : tables()) {
    // Stages 1 and 2 of one rank alone are what its 0 and 3 are.
    const int step = layout.data == 1 ? 3 : 1;
    for (layout.sharding = 0; layout.sharding <= 3; layout.sharding += step) {
      for (const std::string& policy : policy_names()) {
        layout.policy = policy;
        for (const bool tied : {false, true}) {
          layout.tied = tied;
          all.push_back(layout);
        }
      }
    }
  }
  return all;
}

std::vector<LayoutCase> bf16_layouts() {
  std::vector<LayoutCase> all;
  for (LayoutCase layout : all_layouts()) {
    if (layout.schedule != "1f1b" || layout.pipeline > 2) continue;
    if (layout.policy == "cheap") continue;
    layout.dtype = DType::kBF16;
    all.push_back(layout);
  }
  return all;
}

}  // namespace cairn
