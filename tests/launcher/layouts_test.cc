// Whatever the layout, the numbers are those of one rank, to the bit.

#include <gtest/gtest.h>

#include "rank_threads.h"

namespace cairn {
namespace {

struct Table {
  int pipeline;
  int data;
  std::string schedule;
  int chunks;
  DType dtype = DType::kF32;
};

void PrintTo(const Table& t, std::ostream* out) {
  *out << t.schedule << " with " << t.chunks << " chunks over " << t.pipeline
       << " x " << t.data << " in " << name_of(t.dtype);
}

std::string name_of_table(const testing::TestParamInfo<Table>& test) {
  const Table& t = test.param;
  std::string schedule = t.schedule;
  std::erase(schedule, '-');
  return schedule + std::to_string(t.chunks) + "_pipeline" +
         std::to_string(t.pipeline) + "_data" + std::to_string(t.data);
}

ModelConfig tiny(const std::string& family, bool tied) {
  ModelConfig config;
  config.family = family;
  config.layers = 4;
  config.width = 24;
  config.heads = 4;
  config.kv_heads = family == "llama" ? 2 : 4;
  config.vocab = 57;
  config.context = 16;
  config.dropout = 0.1F;
  config.tied = tied;
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

// One rank, with its micro-batches summed as `data` replicas would.
Trained reference(const Model& model, int data, DType dtype) {
  EngineOptions options = small_steps(1, dtype);
  options.microbatches *= data;
  options.parallel.gradient_groups = data;
  return train_on_ranks(model, "keep", options, 3);
}

class Layouts : public testing::TestWithParam<Table> {
 protected:
  void expect_reference(const Model& model, const std::string& policies) {
    const Trained want = reference(model, GetParam().data, GetParam().dtype);
    for (int sharding = 0; sharding <= 3; ++sharding) {
      for (const std::string& policy : policy_names()) {
        if (policies.find(policy) == std::string::npos) continue;
        EngineOptions options = small_steps(GetParam().data, GetParam().dtype);
        options.parallel.pipeline = GetParam().pipeline;
        options.parallel.schedule = GetParam().schedule;
        options.parallel.chunks = GetParam().chunks;
        options.parallel.sharding = sharding;
        const Trained found = train_on_ranks(model, policy, options, 3);
        EXPECT_EQ(found.losses, want.losses) << sharding << " " << policy;
        EXPECT_EQ(found.norms, want.norms) << sharding << " " << policy;
        EXPECT_EQ(found.evaluations, want.evaluations)
            << sharding << " " << policy;
        EXPECT_EQ(found.hash, want.hash) << sharding << " " << policy;
      }
    }
  }
};

TEST_P(Layouts, GiveTheBitsOfOneRankWithTiedEmbeddings) {
  expect_reference(Model(built_in_families().make(tiny("gpt2", true))),
                   "keep boundary");
}

TEST_P(Layouts, GiveTheBitsOfOneRankWithUntiedEmbeddings) {
  expect_reference(Model(built_in_families().make(tiny("llama", false))),
                   GetParam().dtype == DType::kF32 ? "cheap" : "keep boundary");
}

TEST(StagedLayouts, GiveTheBitsOfOneRankToo) {
  const Model model(built_in_families().make(tiny("gpt2", true)));

  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const Trained want = reference(model, 2, dtype);
    for (const int pipeline : {1, 2}) {
      for (const int sharding : {0, 3}) {
        EngineOptions options = small_steps(2, dtype);
        options.parallel.pipeline = pipeline;
        options.parallel.sharding = sharding;
        const Trained found =
            train_on_ranks(model, "boundary", options, 3, {"cpu", "host"});
        EXPECT_TRUE(found == want)
            << name_of(dtype) << " " << pipeline << " " << sharding;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tables, Layouts,
    testing::Values(Table{1, 1, "1f1b", 1}, Table{1, 2, "1f1b", 1},
                    Table{2, 1, "1f1b", 1}, Table{2, 2, "1f1b", 1},
                    Table{4, 1, "1f1b", 1}, Table{4, 2, "1f1b", 1},
                    Table{2, 2, "gpipe", 1}, Table{4, 1, "gpipe", 1},
                    Table{2, 1, "gpipe", 2}, Table{1, 2, "gpipe", 3},
                    Table{2, 2, "interleaved", 2}, Table{2, 1, "zb-h1", 1},
                    Table{4, 2, "zb-h1", 1}, Table{1, 2, "zb-h1", 1}),
    name_of_table);

INSTANTIATE_TEST_SUITE_P(Bf16, Layouts,
                         testing::Values(Table{1, 1, "1f1b", 1, DType::kBF16},
                                         Table{1, 2, "1f1b", 1, DType::kBF16},
                                         Table{2, 1, "1f1b", 1, DType::kBF16},
                                         Table{2, 2, "1f1b", 1, DType::kBF16},
                                         Table{2, 2, "zb-h1", 1, DType::kBF16}),
                         name_of_table);

}  // namespace
}  // namespace cairn
