// The trainer against PyTorch: the same tiny models, tokens and optimizer, as
// tests/golden/make_golden.py ran them.

#include "tests/golden/golden.h"

#include <gtest/gtest.h>

#include <cmath>

#include "launcher/engine.h"
#include "rank_threads.h"
#include "runtime/ledger.h"

namespace cairn {
namespace {

ModelConfig model_config(const golden::Config& config) {
  ModelConfig model;
  model.family = config.family;
  model.layers = config.layers;
  model.width = config.width;
  model.heads = config.heads;
  model.kv_heads = config.kv_heads;
  model.ffn = config.ffn;
  model.vocab = config.vocab;
  model.context = config.context;
  model.tied = config.tied;
  model.norm_epsilon = static_cast<float>(config.epsilon);
  model.rope_theta = static_cast<float>(config.theta);
  return model;
}

EngineOptions engine_options(const golden::Config& config) {
  EngineOptions options;
  options.batch = {config.micro_batch, config.sequence};
  options.microbatches =
      static_cast<int>(config.global_batch / config.micro_batch);
  options.adamw.beta1 = static_cast<float>(config.beta1);
  options.adamw.beta2 = static_cast<float>(config.beta2);
  options.adamw.epsilon = static_cast<float>(config.adam_epsilon);
  options.adamw.weight_decay = static_cast<float>(config.weight_decay);
  options.adamw.clip = static_cast<float>(config.clip);
  options.keep_gradients = true;
  return options;
}

double relative_norm(std::span<const float> got, std::span<const float> want) {
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double d = double{got[i]} - double{want[i]};
    difference += d * d;
    size += double{want[i]} * double{want[i]};
  }
  return std::sqrt(difference / size);
}

// A tensor of PyTorch as Cairn has it: norm weights less one.
std::vector<float> ours(const std::string& name,
                        std::span<const float> theirs) {
  const bool gain = name.ends_with("norm.weight") ||
                    name.ends_with("norm1.weight") ||
                    name.ends_with("norm2.weight");
  std::vector<float> values(theirs.begin(), theirs.end());
  for (float& value : values) value -= gain ? 1.0F : 0.0F;
  return values;
}

class MatchesPyTorch : public testing::TestWithParam<std::string> {
 protected:
  MatchesPyTorch()
      : golden_(golden::read(CAIRN_SOURCE_DIR "/tests/golden", GetParam())),
        model_(built_in_families().make(model_config(golden_.config))),
        backend_(make_backend("cpu", {})),
        world_(solo_world()),
        engine_(*backend_, backend_->memory(), *world_, model_,
                policy_named("keep"), engine_options(golden_.config)) {
    engine_.draw_weights();
    for (const std::string& name : golden_.names()) {
      engine_.set_parameter(name, ours(name, golden_.tensor(name, "initial")));
    }
  }

  StepOutcome step(std::size_t number) {
    const golden::Batch& batch = golden_.batches[number];
    engine_.step(number, {batch.inputs, batch.targets},
                 static_cast<float>(golden_.rates[number]));
    return engine_.outcome(number);
  }

  golden::Golden golden_;
  Model model_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<World> world_;
  Engine engine_;
};

TEST_P(MatchesPyTorch, InEveryGradientOfTheFirstStep) {
  step(0);

  for (const std::string& name : golden_.names()) {
    EXPECT_LT(
        relative_norm(engine_.gradient(name), golden_.tensor(name, "gradient")),
        1e-5)
        << name;
  }
}

TEST_P(MatchesPyTorch, InTenLossesAndNormsInARow) {
  ASSERT_EQ(golden_.losses.size(), 10U);
  for (std::size_t s = 0; s < golden_.losses.size(); ++s) {
    const StepOutcome outcome = step(s);

    EXPECT_NEAR(outcome.loss / golden_.losses[s], 1.0, 2e-5) << "step " << s;
    EXPECT_NEAR(outcome.grad_norm / golden_.norms[s], 1.0, 2e-4)
        << "step " << s;
  }
}

// A key bias shifts all scores of a query alike, which softmax does not see:
// its gradient is zero but for rounding, and Adam makes whole steps of that. So
// the key third of qkv.bias is noise in both programs, and is left out.
TEST_P(MatchesPyTorch, InTheFinalWeights) {
  for (std::size_t s = 0; s < golden_.batches.size(); ++s) step(s);

  for (const std::string& name : golden_.names()) {
    std::vector<float> got = engine_.parameter(name);
    std::vector<float> want = ours(name, golden_.tensor(name, "final"));
    if (name.ends_with("qkv.bias")) {
      const auto third = static_cast<std::ptrdiff_t>(want.size() / 3);
      got.erase(got.begin() + third, got.begin() + 2 * third);
      want.erase(want.begin() + third, want.begin() + 2 * third);
    }
    EXPECT_LT(relative_norm(got, want), 1e-4) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, MatchesPyTorch,
                         testing::Values("gpt2_tied", "gpt2_untied",
                                         "llama_tied", "llama_untied_gqa"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace cairn
