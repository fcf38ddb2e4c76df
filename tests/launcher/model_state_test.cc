// What ranks keep between steps, and gradients for as long as they are kept, is
// what ZeRO's formulas say, to the byte.

#include <gtest/gtest.h>

#include <mutex>

#include "rank_threads.h"
#include "sharding/unit_layout.h"

namespace cairn {
namespace {

// Of parameters, of gradients, and of what the optimizer alone has: both
// moments, and the masters of bf16 weights.
struct State {
  std::size_t parameters = 0;
  std::size_t gradients = 0;
  std::size_t optimizer = 0;

  friend bool operator==(const State&, const State&) = default;
};

void PrintTo(const State& state, std::ostream* out) {
  *out << state.parameters << " + " << state.gradients << " + "
       << state.optimizer << " bytes";
}

Model tiny_model() {
  ModelConfig config;
  config.layers = 3;
  config.width = 40;
  config.heads = 4;
  config.vocab = 57;
  config.context = 11;
  config.tied = true;
  return Model(built_in_families().make(config));
}

EngineOptions options_for(int pipeline, int data, int sharding, DType dtype) {
  EngineOptions options;
  options.dtype = dtype;
  options.keep_gradients = true;
  options.batch = {1, 7};
  options.microbatches = 2;
  options.parallel.pipeline = pipeline;
  options.parallel.data = data;
  options.parallel.sharding = sharding;
  return options;
}

// By rank, after a step.
std::vector<State> measured(const Model& model, const EngineOptions& options) {
  std::vector<State> states(static_cast<std::size_t>(options.parallel.world()));
  on_ranks(model, "keep", options, [&](TestRank& rank) {
    const std::vector<std::int32_t> tokens(static_cast<std::size_t>(
        options.batch.tokens() * options.microbatches));
    rank.engine.draw_weights();
    rank.engine.step(0, {tokens, tokens}, 1e-3F);
    rank.engine.outcome(0);

    states[static_cast<std::size_t>(rank.world.rank())] = {
        rank.ledger.bytes(Owner::kParameters),
        rank.ledger.bytes(Owner::kGradients),
        rank.ledger.bytes(Owner::kOptimizer)};
    EXPECT_EQ(rank.ledger.bytes(Owner::kActivations), 0U);
    EXPECT_EQ(rank.ledger.bytes(Owner::kTransients), 0U);
  });
  return states;
}

std::size_t bytes_of(std::int64_t elements, DType dtype = DType::kF32) {
  return padded(static_cast<std::size_t>(elements) * size_of(dtype));
}

// How many f32 numbers the optimizer alone has of each parameter.
std::size_t own_numbers(DType dtype) { return dtype == DType::kF32 ? 2 : 3; }

// Of one block's unit on one of `data` ranks. A rank of its own (data = 1)
// keeps everything, as at stage 0.
State state_of_unit(const UnitLayout& unit, int data, int stage, DType dtype) {
  if (unit.empty()) return {};
  const auto part = [&](int split_from) {
    if (data > 1 && stage >= split_from) return unit.shard(data);
    // Buffers that are cut into shards later are as long as all of them.
    return unit.padded(stage >= 1 ? data : 1);
  };
  const std::size_t own =
      bytes_of(stage >= 1 ? unit.shard(data) : unit.padded(1));
  return {bytes_of(part(3), dtype), bytes_of(part(2)),
          own_numbers(dtype) * own};
}

// Of a rank that has those blocks of the model.
State predicted(const Model& model, const EngineOptions& options,
                const Range& blocks) {
  const ParallelOptions& parallel = options.parallel;
  State all;
  for (auto b = blocks.first; b < blocks.end; ++b) {
    const UnitLayout unit(model, static_cast<int>(b));
    const State one =
        state_of_unit(unit, parallel.data, parallel.sharding, options.dtype);
    all.parameters += one.parameters;
    all.gradients += one.gradients;
    all.optimizer += one.optimizer;
  }
  return all;
}

using Case = std::tuple<int, int, DType>;  // data ranks, stage of ZeRO
class ModelState : public testing::TestWithParam<Case> {
 protected:
  ModelState()
      : data_(std::get<0>(GetParam())),
        stage_(std::get<1>(GetParam())),
        dtype_(std::get<2>(GetParam())),
        model_(tiny_model()),
        options_(options_for(1, data_, stage_, dtype_)),
        states_(measured(model_, options_)) {}

  // The fewest bytes that a rank can have of `bytes` for each parameter.
  double share(std::size_t bytes, int split_from) const {
    return static_cast<double>(bytes) *
           static_cast<double>(model_.layout().parameters()) /
           (stage_ >= split_from ? data_ : 1);
  }

  int data_;
  int stage_;
  DType dtype_;
  Model model_;
  EngineOptions options_;
  std::vector<State> states_;
};

TEST_P(ModelState, IsThatOfThePaddedLayoutToTheByteOnEveryRank) {
  const State want = predicted(model_, options_, {0, model_.blocks()});

  for (const State& state : states_) EXPECT_EQ(state, want);
}

// 4 bytes of weights (2 in bf16), 4 of gradients and 8 of moments (12 with
// masters) for each parameter, of which stages 1, 2 and 3 divide the last, the
// gradients and the weights.
TEST_P(ModelState, FallsAsZeroDivides) {
  // Alignment of parameters and rounding to whole pieces are a few percent of
  // this small model.
  constexpr double kPadding = 1.10;

  for (const State& state : states_) {
    const auto expect_share = [](std::size_t bytes, double share) {
      EXPECT_GE(static_cast<double>(bytes), share);
      EXPECT_LE(static_cast<double>(bytes), kPadding * share);
    };
    expect_share(state.parameters, share(size_of(dtype_), 3));
    expect_share(state.gradients, share(4, 2));
    expect_share(state.optimizer, share(4 * own_numbers(dtype_), 1));
  }
}

TEST_P(ModelState, AddsUpOverRanksToTheWholeWhereItIsDivided) {
  std::int64_t all = 0;
  std::size_t weights = 0;  // in shards, each as large as memory gives
  for (int b = 0; b < model_.blocks(); ++b) {
    const UnitLayout unit(model_, b);
    all += unit.padded(data_);
    weights +=
        static_cast<std::size_t>(data_) * bytes_of(unit.shard(data_), dtype_);
  }
  const auto whole = static_cast<std::size_t>(all);

  State sum;
  for (const State& state : states_) {
    sum.parameters += state.parameters;
    sum.gradients += state.gradients;
    sum.optimizer += state.optimizer;
  }

  if (stage_ >= 1) {
    EXPECT_EQ(sum.optimizer, own_numbers(dtype_) * 4 * whole);
  }
  if (stage_ >= 2) {
    EXPECT_EQ(sum.gradients, 4 * whole);
  }
  if (stage_ >= 3) {
    EXPECT_EQ(sum.parameters, weights);
  }
  const auto ranks = static_cast<std::size_t>(data_);
  if (stage_ == 1) {
    EXPECT_EQ(sum.gradients, 4 * ranks * whole);
  }
  if (stage_ == 1 || stage_ == 2) {
    EXPECT_EQ(sum.parameters, size_of(dtype_) * ranks * whole);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Zero, ModelState,
    testing::Combine(testing::Values(2, 4, 8), testing::Values(0, 1, 2, 3),
                     testing::Values(DType::kF32, DType::kBF16)),
    [](const auto& test) {
      return "data" + std::to_string(std::get<0>(test.param)) + "_stage" +
             std::to_string(std::get<1>(test.param)) + "_" +
             name_of(std::get<2>(test.param));
    });

class ModelStateOfStages : public testing::TestWithParam<DType> {};

TEST_P(ModelStateOfStages, HasTheSharedUnitsWeightsOnBothEnds) {
  const Model model = tiny_model();
  for (int stage = 0; stage <= 3; ++stage) {
    SCOPED_TRACE(stage);
    const EngineOptions options = options_for(2, 2, stage, GetParam());
    const StagePlan plan = plan_stages(model, options);
    ASSERT_TRUE(plan.shared);
    const State copy =
        state_of_unit(UnitLayout(model, 0), 2, stage, GetParam());

    const std::vector<State> states = measured(model, options);

    State last = predicted(model, options, plan.blocks[1]);
    last.parameters += copy.parameters;
    EXPECT_EQ(states[0], predicted(model, options, plan.blocks[0]));
    EXPECT_EQ(states[1], states[0]);
    EXPECT_EQ(states[2], last);
    EXPECT_EQ(states[3], last);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ModelStateOfStages,
                         testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace cairn
