#include "launcher/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "launcher/run_plan.h"
#include "rank_threads.h"
#include "runtime/arena.h"
#include "runtime/error.h"
#include "runtime/ledger.h"

namespace cairn {
namespace {

ModelConfig tiny(const std::string& family, bool tied) {
  ModelConfig config;
  config.family = family;
  config.layers = 3;
  config.width = 48;
  config.heads = 6;
  config.kv_heads = family == "llama" ? 2 : 6;
  config.vocab = 57;
  config.context = 40;
  config.dropout = 0.1F;
  config.tied = tied;
  return config;
}

EngineOptions small_steps(int microbatches) {
  EngineOptions options;
  options.batch = {3, 37};
  options.microbatches = microbatches;
  options.seed = 77;
  return options;
}

// Tokens that differ from step to step.
std::vector<std::int32_t> tokens(const EngineOptions& options,
                                 std::uint64_t step, std::int32_t shift) {
  std::vector<std::int32_t> all(
      static_cast<std::size_t>(options.batch.tokens() * options.microbatches));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::int32_t>((i * i + 7 * step + shift * 3 + i) % 57);
  }
  return all;
}

Trained train(const ModelConfig& config, const std::string& policy,
              int threads) {
  const Model model(built_in_families().make(config));
  const EngineOptions options = small_steps(2);
  const auto backend = make_backend("cpu", {threads});
  const auto world = solo_world();
  Engine engine(*backend, backend->memory(), *world, model,
                policy_named(policy), options);
  engine.draw_weights();
  Trained trained;
  for (std::uint64_t s = 0; s < 4; ++s) {
    const auto inputs = tokens(options, s, 0);
    const auto targets = tokens(options, s, 1);
    engine.step(s, {inputs, targets}, 1e-2F);
    trained.losses.push_back(engine.outcome(s).loss);
  }
  trained.hash = engine.weights_hash();
  return trained;
}

using Case = std::tuple<std::string, bool>;
class Bits : public testing::TestWithParam<Case> {
 protected:
  ModelConfig config_ = tiny(std::get<0>(GetParam()), std::get<1>(GetParam()));
};

TEST_P(Bits, AreTheSameUnderEveryActivationPolicy) {
  const Trained keep = train(config_, "keep", 2);

  for (const char* policy : {"cheap", "attention", "boundary"}) {
    const Trained other = train(config_, policy, 2);
    EXPECT_EQ(other.hash, keep.hash) << policy;
    EXPECT_EQ(other.losses, keep.losses) << policy;
  }
}

TEST_P(Bits, AreTheSameOnOneTwoAndThreeThreadsAndTwice) {
  const Trained once = train(config_, "keep", 1);

  for (const int threads : {1, 2, 3}) {
    const Trained again = train(config_, "keep", threads);
    EXPECT_EQ(again.hash, once.hash) << threads;
    EXPECT_EQ(again.losses, once.losses) << threads;
  }
}

TEST_P(Bits, ChangeWithTheSeed) {
  const Model model(built_in_families().make(config_));
  std::string hashes[2];
  for (int k = 0; k < 2; ++k) {
    EngineOptions options = small_steps(1);
    options.seed = static_cast<std::uint64_t>(k);
    const auto backend = make_backend("cpu", {});
    const auto world = solo_world();
    Engine engine(*backend, backend->memory(), *world, model,
                  policy_named("keep"), options);
    engine.draw_weights();
    hashes[k] = engine.weights_hash();
  }

  EXPECT_NE(hashes[0], hashes[1]);
}

INSTANTIATE_TEST_SUITE_P(Models, Bits,
                         testing::Combine(testing::Values("gpt2", "llama"),
                                          testing::Bool()),
                         [](const auto& test) {
                           return std::get<0>(test.param) +
                                  (std::get<1>(test.param) ? "_tied"
                                                           : "_untied");
                         });

// Runs for real in the arena that the plan reserved.
class Memory : public testing::TestWithParam<std::string> {};

TEST_P(Memory, PeaksAtWhatThePlanSaidToTheByteAndThenAsksForNoMore) {
  const Model model(built_in_families().make(tiny("gpt2", true)));
  const EngineOptions options = small_steps(2);
  const RankPlan plan =
      plan_run({model, options, /*threads=*/2, false}, GetParam())
          .ranks.front();
  const auto backend = make_backend("cpu", {2});
  const auto stream = backend->make_stream("memory");
  Ledger upstream(backend->memory());
  {
    Arena arena(upstream, plan.arena_bytes, *stream);
    Ledger ledger(arena);
    const auto world = solo_world();
    Engine engine(*backend, ledger, *world, model, policy_named(GetParam()),
                  options);
    engine.draw_weights();
    const auto inputs = tokens(options, 0, 0);
    const auto one = std::span(inputs).first(
        static_cast<std::size_t>(options.batch.tokens()));
    for (std::uint64_t s = 0; s < 3; ++s) {
      engine.step(s, {inputs, inputs}, 1e-3F);
      engine.outcome(s);
    }
    engine.evaluate(one, one);

    EXPECT_EQ(ledger.total_peak(), plan.peak_bytes);
    EXPECT_EQ(ledger.at_total_peak(), plan.at_peak);
    EXPECT_EQ(arena.high_water(), plan.arena_bytes);
    EXPECT_EQ(upstream.allocations(), 1U);
  }
  EXPECT_EQ(upstream.total(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Policies, Memory, testing::ValuesIn(policy_names()),
                         [](const auto& test) { return test.param; });

std::size_t arena_bytes(const PlanRequest& request, const std::string& policy) {
  return plan_run(request, policy).ranks.front().arena_bytes;
}

TEST(ChoosePlan, TakesTheLeastRecomputeThatFitsTheBudget) {
  const Model model(built_in_families().make(tiny("gpt2", true)));
  const PlanRequest request{model, small_steps(1), 2, false};
  const std::size_t keep = arena_bytes(request, "keep");
  const std::size_t cheap = arena_bytes(request, "cheap");
  const std::size_t boundary = arena_bytes(request, "boundary");

  EXPECT_LT(boundary, cheap);
  EXPECT_LT(cheap, keep);
  EXPECT_EQ(choose_plan(request, "auto", 0).activations, "keep");
  EXPECT_EQ(choose_plan(request, "auto", keep).activations, "keep");
  EXPECT_EQ(choose_plan(request, "auto", keep - 1).activations, "cheap");
  EXPECT_EQ(choose_plan(request, "auto", boundary).activations, "boundary");
}

TEST(ChoosePlan, SaysTheSmallestBudgetThatWouldDo) {
  const Model model(built_in_families().make(tiny("gpt2", true)));
  const PlanRequest request{model, small_steps(1), 2, false};
  const std::size_t boundary = arena_bytes(request, "boundary");

  try {
    choose_plan(request, "auto", boundary - 1);
    FAIL() << "a budget one byte too small was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kOutOfMemory);
    EXPECT_NE(error.message().find(std::to_string(boundary)), std::string::npos)
        << error.message();
  }
}

class Divergence : public testing::TestWithParam<DType> {};

TEST_P(Divergence, LeavesTheWeightsAsTheyWereAndNamesTheBlock) {
  const Model model(built_in_families().make(tiny("gpt2", false)));
  EngineOptions options = small_steps(2);
  options.dtype = GetParam();
  const auto backend = make_backend("cpu", {});
  const auto world = solo_world();
  Engine engine(*backend, backend->memory(), *world, model,
                policy_named("boundary"), options);
  engine.draw_weights();
  // Large enough to overflow in the block's own product, finite itself.
  const std::string name = "block.1.up.weight";
  std::vector<float> weights = engine.parameter(name);
  for (float& w : weights) w = 3e38F;
  engine.set_parameter(name, weights);
  const std::string before = engine.weights_hash();
  const auto inputs = tokens(options, 0, 0);

  engine.step(0, {inputs, inputs}, 1e-2F);
  engine.step(1, {inputs, inputs}, 1e-2F);

  EXPECT_FALSE(std::isfinite(engine.outcome(0).grad_norm));
  EXPECT_EQ(engine.weights_hash(), before);
  EXPECT_EQ(engine.find_divergence(0, {inputs, inputs}),
            "the output of block 3 of 5 (block.1), micro-batch 0");
}

INSTANTIATE_TEST_SUITE_P(Types, Divergence,
                         testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return name_of(test.param); });

TEST(Outcome, AddsUpToTheStepsTime) {
  const Model model(built_in_families().make(tiny("gpt2", false)));
  const EngineOptions options = small_steps(2);
  const auto backend = make_backend("cpu", {});
  const auto world = solo_world();
  Engine engine(*backend, backend->memory(), *world, model,
                policy_named("boundary"), options);
  engine.draw_weights();
  const auto inputs = tokens(options, 0, 0);
  engine.step(0, {inputs, inputs}, 1e-2F);

  const StepOutcome outcome = engine.outcome(0);

  double sum = 0;
  for (const double ms : outcome.ms) sum += ms;
  EXPECT_NEAR(sum, outcome.step_ms, 1e-6 * outcome.step_ms);
  EXPECT_GT(outcome.ms[static_cast<int>(Phase::kCompute)], 0);
  EXPECT_GT(outcome.ms[static_cast<int>(Phase::kRecompute)], 0);
  EXPECT_GT(outcome.ms[static_cast<int>(Phase::kOptimizer)], 0);
}

}  // namespace
}  // namespace cairn
