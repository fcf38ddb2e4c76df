// Layouts whose ranks share one device, against one rank on it.

#include <gtest/gtest.h>

#include "parallel/worlds.h"
#include "tests/launcher/rank_threads.h"

namespace cairn {
namespace {

ModelConfig tiny(const std::string& family) {
  ModelConfig config;
  config.family = family;
  config.layers = 4;
  config.width = 24;
  config.heads = 4;
  config.kv_heads = family == "llama" ? 2 : 4;
  config.vocab = 57;
  config.context = 16;
  config.dropout = 0.1F;
  config.tied = family == "gpt2";
  return config;
}

EngineOptions small_steps(int data) {
  EngineOptions options;
  options.batch = {2, 11};
  options.microbatches = 4;
  options.seed = 77;
  options.parallel.data = data;
  return options;
}

Trained reference(const Model& model, int data) {
  EngineOptions options = small_steps(1);
  options.microbatches *= data;
  options.parallel.gradient_groups = data;
  return train_on_ranks(model, "keep", options, 3, {"cuda", "host"});
}

void expect_bits(const std::string& family, int data,
                 const std::string& schedule) {
  const Model model(built_in_families().make(tiny(family)));
  const Trained want = reference(model, data);
  for (const int pipeline : {1, 2, 4}) {
    if (pipeline == 1 && schedule != "1f1b") continue;
    for (int sharding = 0; sharding <= 3; ++sharding) {
      for (const std::string& policy : policy_names()) {
        EngineOptions options = small_steps(data);
        options.parallel.pipeline = pipeline;
        options.parallel.schedule = schedule;
        options.parallel.sharding = sharding;
        const Trained found =
            train_on_ranks(model, policy, options, 3, {"cuda", "host"});
        EXPECT_TRUE(found == want)
            << family << " " << schedule << " " << pipeline << "x" << data
            << " ZeRO " << sharding << " " << policy;
      }
    }
  }
}

TEST(CudaLayouts, GiveTheBitsOfOneRank) { expect_bits("gpt2", 1, "1f1b"); }

TEST(CudaLayouts, GiveTheBitsOfOneRankThatSumsAsReplicasDo) {
  expect_bits("gpt2", 2, "1f1b");
}

TEST(CudaLayouts, GiveTheBitsOfOneRankWithUntiedEmbeddings) {
  expect_bits("llama", 2, "1f1b");
}

TEST(CudaLayouts, GiveTheBitsOfOneRankInOtherSchedules) {
  expect_bits("gpt2", 2, "zb-h1");
  expect_bits("gpt2", 2, "gpipe");
}

TEST(CudaLayouts, GiveTheBitsOfOneRankByNccl) {
  if (!nccl_is_built()) GTEST_SKIP() << "Cairn was built without NCCL";
  const int devices = devices_of("cuda");
  const Model model(built_in_families().make(tiny("gpt2")));
  for (const int data : {1, 2}) {
    const Trained want = reference(model, data);
    for (const int pipeline : {1, 2, 4}) {
      if (pipeline * data > devices) continue;
      for (int sharding = 0; sharding <= 3; ++sharding) {
        EngineOptions options = small_steps(data);
        options.parallel.pipeline = pipeline;
        options.parallel.sharding = sharding;
        const Trained found =
            train_on_ranks(model, "boundary", options, 3, {"cuda", "nccl"});
        EXPECT_TRUE(found == want)
            << pipeline << "x" << data << " ZeRO " << sharding;
      }
    }
  }
}

}  // namespace
}  // namespace cairn
