#include "launcher/rank_stage.h"

#include <gtest/gtest.h>

#include "layout_cases.h"
#include "rank_threads.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

// The stage of blocks 0 to 5, or of a run of them, on one rank with two groups
// of two micro-batches.
class RankStages : public testing::Test {
 protected:
  RankStages()
      : model_(model_of(LayoutCase{})), options_(options_of(LayoutCase{})) {
    options_.parallel.gradient_groups = 2;
    backend_ = make_backend("cpu", {1});
    state_ = std::make_unique<EngineState>(*backend_, backend_->memory(),
                                           model_, options_, true, true);
    ShardingOptions sharding;
    sharding.groups = 2;
    sharding.data_ranks = {0};
    sharding.most_rows = most_rows(model_, options_);
    for (int b = 0; b < model_.blocks(); ++b) sharding.blocks.push_back(b);
    world_ = solo_world();
    parameters_ = std::make_unique<ShardedParameters>(
        state_->compute(), timeline_, *world_, model_, sharding);
    parameters_->draw(1);
    context_.batch = options_.batch;
    context_.training = true;
    context_.first_sample = 100;
    context_.losses = state_->report;
    context_.rows = {3, 4};
  }

  RankStage stage(const Range& blocks) {
    return {model_, options_, *state_, *parameters_, context_, blocks};
  }

  Model model_;
  EngineOptions options_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<EngineState> state_;
  Timeline timeline_;
  std::unique_ptr<World> world_;
  std::unique_ptr<ShardedParameters> parameters_;
  StepContext context_;
};

TEST_F(RankStages, CallBlocksByTheirPlaceInTheModel) {
  RankStage last = stage({4, 6});

  EXPECT_EQ(last.blocks(), 2);
  EXPECT_EQ(&last.block(1), &model_.block(5));
  EXPECT_EQ(last.forward_call(1, 0).block, 5);
  EXPECT_EQ(last.forward_call(1, 0).parameters.size(),
            model_.parameters_of(5).size());
  EXPECT_EQ(last.input_shape(), model_.block(3).output_shape(options_.batch));
  EXPECT_EQ(stage({0, 4}).gradient_shape(), last.input_shape());
}

TEST_F(RankStages, GiveEachMicrobatchItsOwnTokensTargetsLossAndSamples) {
  RankStage all = stage({0, 6});
  const std::int64_t tokens = options_.batch.tokens();

  for (int m = 0; m < 4; ++m) {
    const Call call = all.forward_call(5, m);
    EXPECT_EQ(call.first_sample, 100U + 2U * static_cast<unsigned>(m));
    EXPECT_EQ(call.targets.data,
              state_->targets.view().part(m * tokens, {tokens}).data);
    EXPECT_EQ(call.loss.data, state_->report.view().part(m, {1}).data);
    EXPECT_EQ(all.tokens(m).view().data,
              state_->inputs.view().part(m * tokens, {tokens}).data);
    EXPECT_EQ(all.backward_call(0, m).token_rows.data,
              state_->token_rows.view().part(m * tokens, {tokens}).data);
  }
}

TEST_F(RankStages, PutTheOneLossOfAnEvaluationWhereItIsAskedFor) {
  context_.training = false;
  context_.losses = state_->loss;
  RankStage all = stage({0, 6});

  const Call call = all.forward_call(5, 0);

  EXPECT_FALSE(call.training);
  EXPECT_EQ(call.loss.data, state_->loss.view().data);
}

TEST_F(RankStages, WeighALossByAllTokensOfTheStep) {
  options_.parallel.data = 3;
  RankStage all = stage({0, 6});

  EXPECT_EQ(all.backward_call(5, 0).loss_scale,
            1.0F / static_cast<float>(options_.batch.tokens() * 4 * 3));
}

TEST_F(RankStages, AddAGradientToThoseOfItsGroupAlone) {
  RankStage all = stage({0, 6});
  std::vector<bool> adds;
  std::vector<const std::byte*> into;
  for (int m = 0; m < 4; ++m) {
    const Call call = all.backward_call(2, m);
    adds.push_back(call.accumulate);
    into.push_back(call.gradients.front().data);
  }

  EXPECT_EQ(adds, (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(into[0], into[1]);
  EXPECT_NE(into[1], into[2]);
  EXPECT_EQ(into[2], into[3]);
}

TEST_F(RankStages, GiveTheTableItsCompactGradient) {
  RankStage all = stage({0, 6});
  const Model::RowGradient row = model_.row_gradients().front();

  const Call call = all.backward_call(row.block, 0);

  EXPECT_EQ(call.gradients[static_cast<std::size_t>(row.slot)].data,
            parameters_->unit_of(row.block)->rows.view().data);
}

}  // namespace
}  // namespace cairn
