#include "launcher/plan_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/attention_scratch.h"
#include "runtime/data/prepare.h"
#include "sharding/unit_layout.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// Two stages of two replicas, gradients and moments divided among these.
class PlanReport : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cairn-plan-XXXXXX";
    folder_ = mkdtemp(name);
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 100; ++i) text << "line " << i << " of a play\n";
    text.close();
    PrepareOptions prepare;
    prepare.tokenizer = "char";
    prepare.inputs = {(folder_ / "text.txt").string()};
    prepare.output = (folder_ / "train.bin").string();
    prepare_tokens(prepare);
    Config config;
    config.model.layers = 4;
    config.model.width = 32;
    config.model.heads = 2;
    config.data.train = prepare.output;
    config.data.sequence = 12;
    config.train.global_batch = 24;
    config.train.micro_batch = 3;
    config.train.threads = 1;
    config.parallel.pipeline = 2;
    config.parallel.data = 2;
    config.sharding.stage = 2;
    run_ = std::make_unique<cairn::Run>(config, built_in_families());
    json_ = Json::parse(plan_json(*run_));
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
  std::unique_ptr<cairn::Run> run_;
  Json json_;
};

std::int64_t sum_of(const Json& object) {
  std::int64_t sum = 0;
  for (const auto& [name, value] : object.items()) {
    sum += value.get<std::int64_t>();
  }
  return sum;
}

TEST_F(PlanReport, IsOfKernelsThatMayDifferInBitsWhereTheConfigSaysSo) {
  Config config = run_->config();
  config.train.precision = "bf16";
  for (const bool deterministic : {true, false}) {
    config.train.deterministic = deterministic;
    const cairn::Run run(config, built_in_families());
    int backwards = 0;
    for (const KernelOp& op : plan_kernels(run.plan_request(), "keep")) {
      const auto* backward = std::get_if<AttentionBackward>(&op);
      if (backward == nullptr) continue;
      ++backwards;
      EXPECT_EQ(
          backward->scratch.elements(),
          attention_scratch(backward->shape, DType::kBF16, deterministic));
    }

    EXPECT_EQ(run.backend_options().deterministic, deterministic);
    EXPECT_GT(backwards, 0);
  }
}

TEST_F(PlanReport, HasEveryRankWithItsStage) {
  EXPECT_EQ(json_.at("parameters").get<std::int64_t>(),
            run_->model().layout().parameters());
  EXPECT_EQ(json_.at("activations"), run_->plan().activations);
  ASSERT_EQ(json_.at("ranks").size(), 4U);
  for (int r = 0; r < 4; ++r) {
    EXPECT_EQ(json_.at("ranks")[r].at("rank"), r);
    EXPECT_EQ(json_.at("ranks")[r].at("stage"), r / 2);
  }
}

TEST_F(PlanReport, HasMemoryByOwnerThatAddsUpToThePeakAndWithGapsToTheArena) {
  for (const Json& rank : json_.at("ranks")) {
    const Json& memory = rank.at("memory");
    const auto gaps = memory.at("gaps").get<std::int64_t>();
    const auto peak = rank.at("device_peak_bytes").get<std::int64_t>();

    EXPECT_EQ(sum_of(memory) - gaps, peak);
    EXPECT_EQ(sum_of(memory), rank.at("arena_bytes").get<std::int64_t>());
    EXPECT_EQ(memory.size(), static_cast<std::size_t>(kOwners) + 1);
    for (const char* owner : {"parameters", "optimizer", "activations"}) {
      EXPECT_GT(memory.at(owner).get<std::int64_t>(), 0) << owner;
    }
  }
}

TEST_F(PlanReport, HasTimesByPhaseThatAddUpToTheStep) {
  double slowest = 0;
  double waited = 0;
  double all = 0;
  for (const Json& rank : json_.at("ranks")) {
    const auto step_ms = rank.at("step_ms").get<double>();
    double sum = 0;
    for (const auto& [phase, ms] : rank.at("ms").items()) {
      EXPECT_GE(ms.get<double>(), -1e-9) << phase;
      sum += ms.get<double>();
    }
    EXPECT_NEAR(sum, step_ms, 1e-9 * step_ms);
    EXPECT_EQ(rank.at("ms").size(), static_cast<std::size_t>(kPhases));
    slowest = std::max(slowest, step_ms);
    waited += rank.at("ms").at("bubble").get<double>();
    all += step_ms;
  }

  EXPECT_EQ(json_.at("step_ms").get<double>(), slowest);
  EXPECT_NEAR(json_.at("bubble").get<double>(), waited / all, 1e-12);
  EXPECT_GT(json_.at("bubble").get<double>(), 0.0);
  EXPECT_LT(json_.at("bubble").get<double>(), 1.0);
}

TEST_F(PlanReport, HasTheTrafficThatTheLayoutBrings) {
  const Json& first = json_.at("ranks")[0].at("traffic");
  const Json& last = json_.at("ranks")[2].at("traffic");
  const std::int64_t microbatches = 24 / 3 / 2;
  const std::int64_t parcel = 3 * 12 * 32 * 4;
  std::int64_t sums = 0;  // of the last stage: half of each unit to the other
  const StagePlan plan = plan_stages(run_->model(), run_->options());
  for (auto b = plan.blocks[1].first; b < plan.blocks[1].end; ++b) {
    sums += UnitLayout(run_->model(), static_cast<int>(b)).shard(2) * 4;
  }

  EXPECT_EQ(first.at("stage 0 to 1"), microbatches * parcel);
  EXPECT_EQ(first.at("stage 1 to 0"), 0);
  EXPECT_EQ(last.at("stage 0 to 1"), 0);
  EXPECT_EQ(last.at("stage 1 to 0"), microbatches * parcel);
  EXPECT_EQ(last.at("reduce"), sums);
  EXPECT_EQ(last.at("gather"), sums);
}

TEST_F(PlanReport, IsPrintedWithARowForEachStageAndTheSpeed) {
  std::ostringstream out;

  print_tables(*run_, out);
  print_prediction(*run_, out);

  EXPECT_THAT(out.str(), HasSubstr("of 4 (which needs most)"));
  EXPECT_THAT(out.str(), HasSubstr("0 to 1"));
  EXPECT_THAT(out.str(), HasSubstr("2 to 3"));
  EXPECT_THAT(out.str(), HasSubstr("predicted: "));
  EXPECT_THAT(out.str(), HasSubstr(" tokens/s, bubble "));
}

}  // namespace
}  // namespace cairn
