// Layouts whose ranks share one device, or have one each, against one rank.

#include <gtest/gtest.h>

#include <utility>

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

EngineOptions small_steps(int data, DType dtype) {
  EngineOptions options;
  options.batch = {2, 11};
  options.microbatches = 4;
  options.seed = 77;
  options.dtype = dtype;
  options.parallel.data = data;
  return options;
}

Trained reference(const Model& model, int data, DType dtype) {
  EngineOptions options = small_steps(1, dtype);
  options.microbatches *= data;
  options.parallel.gradient_groups = data;
  return train_on_ranks(model, "keep", options, 3, {"cuda", "host"});
}

struct Runs {
  std::string family = "gpt2";
  int data = 1;
  DType dtype = DType::kF32;
  std::string schedule = "1f1b";
  std::vector<int> pipelines = {1, 2, 4};
  std::string transport = "host";
  std::vector<std::string> policies = policy_names();
};

void expect_bits(const Runs& runs) {
  const Model model(built_in_families().make(tiny(runs.family)));
  const Trained want = reference(model, runs.data, runs.dtype);
  for (const int pipeline : runs.pipelines) {
    for (int sharding = 0; sharding <= 3; ++sharding) {
      for (const std::string& policy : runs.policies) {
        EngineOptions options = small_steps(runs.data, runs.dtype);
        options.parallel.pipeline = pipeline;
        options.parallel.schedule = runs.schedule;
        options.parallel.sharding = sharding;
        const Trained found =
            train_on_ranks(model, policy, options, 3, {"cuda", runs.transport});
        EXPECT_TRUE(found == want)
            << runs.family << " in " << name_of(runs.dtype) << ", "
            << runs.schedule << " " << pipeline << "x" << runs.data << ", ZeRO "
            << sharding << ", " << policy;
      }
    }
  }
}

TEST(CudaLayouts, GiveTheBitsOfOneRank) { expect_bits({"gpt2", 1}); }

TEST(CudaLayouts, GiveTheBitsOfOneRankThatSumsAsReplicasDo) {
  expect_bits({"gpt2", 2});
}

TEST(CudaLayouts, GiveTheBitsOfOneRankInBf16) {
  expect_bits({"gpt2", 2, DType::kBF16});
}

TEST(CudaLayouts, GiveTheBitsOfOneRankWithUntiedEmbeddings) {
  expect_bits({"llama", 2, DType::kBF16, "1f1b", {2}});
}

TEST(CudaLayouts, GiveTheBitsOfOneRankInOtherSchedules) {
  expect_bits({"gpt2", 2, DType::kF32, "zb-h1", {2, 4}});
  expect_bits({"gpt2", 1, DType::kF32, "gpipe", {4}});
}

// A group of NCCL takes long to make and to end, so activations have one policy
// here. Kernels are loaded when first launched, which may wait for all that the
// device has to do, and hold up the launches of the process's other ranks, for
// which a rank may be waiting by NCCL: so the host carries each layout first.
TEST(CudaLayouts, GiveTheBitsOfOneRankByNccl) {
  if (!nccl_is_built()) GTEST_SKIP() << "Cairn was built without NCCL";
  if (devices_of("cuda") < 2) GTEST_SKIP() << "there is one device";
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const auto& [pipeline, data] : {std::pair{2, 1}, {1, 2}, {2, 2}}) {
      if (pipeline * data > devices_of("cuda")) continue;
      for (const char* transport : {"host", "nccl"}) {
        expect_bits(
            {"gpt2", data, dtype, "1f1b", {pipeline}, transport, {"cheap"}});
      }
    }
  }
}

// With one rank nothing is exchanged; its world is NCCL's all the same.
TEST(CudaLayouts, GiveTheBitsOfOneRankInAWorldOfNccl) {
  if (!nccl_is_built()) GTEST_SKIP() << "Cairn was built without NCCL";
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    expect_bits({"gpt2", 1, dtype, "1f1b", {1}, "nccl"});
  }
}

}  // namespace
}  // namespace cairn
