// What ranks tell of single parameters when they share them.

#include <gtest/gtest.h>

#include "rank_threads.h"
#include "runtime/error.h"

namespace cairn {
namespace {

Model tiny_model() {
  ModelConfig config;
  config.layers = 1;
  config.width = 16;
  config.heads = 2;
  config.vocab = 23;
  config.context = 8;
  config.tied = false;
  return Model(built_in_families().make(config));
}

EngineOptions options_for(int data, int sharding) {
  EngineOptions options;
  options.batch = {1, 8};
  options.microbatches = 2 / data;
  options.seed = 3;
  options.keep_gradients = true;
  options.parallel.data = data;
  options.parallel.sharding = sharding;
  if (data == 1) options.parallel.gradient_groups = 2;
  return options;
}

// Every parameter, or its gradient, on every rank after one step; empty where
// the rank says that it does not hold all of it.
using Told = std::vector<std::vector<std::vector<float>>>;
Told told(const Model& model, const EngineOptions& options, bool gradients) {
  Told all(static_cast<std::size_t>(options.parallel.data));
  on_ranks(model, "keep", options, [&](TestRank& rank) {
    const auto tokens = test_tokens(options, 0, 0, 23);
    const std::size_t mine = tokens.size() / all.size();
    const auto own = std::span(tokens).subspan(
        mine * static_cast<std::size_t>(rank.replica), mine);
    rank.engine.draw_weights();
    rank.engine.step(0, {own, own}, 1e-2F);
    for (const auto& entry : model.layout().entries()) {
      std::vector<float> values;
      try {
        values = gradients ? rank.engine.gradient(entry.spec.name)
                           : rank.engine.parameter(entry.spec.name);
      } catch (const Error& error) {
        EXPECT_EQ(error.message(),
                  "this rank does not hold all of " + entry.spec.name);
      }
      all[static_cast<std::size_t>(rank.world.rank())].push_back(values);
    }
  });
  return all;
}

class ToldByRanks : public testing::TestWithParam<int> {
 protected:
  // Who tells anything of a parameter tells what one rank alone would. Returns
  // how often a rank did.
  int expect_told_right(bool gradients) {
    const Model model = tiny_model();
    const Told want = told(model, options_for(1, 0), gradients);
    const Told found = told(model, options_for(2, GetParam()), gradients);
    int count = 0;
    for (const auto& rank : found) {
      for (std::size_t p = 0; p < rank.size(); ++p) {
        if (rank[p].empty()) continue;
        ++count;
        EXPECT_EQ(rank[p], want[0][p]) << model.layout().entries()[p].spec.name;
      }
    }
    return count;
  }
};

TEST_P(ToldByRanks, AreTheParametersOfOneRankOrNothing) {
  const int all = 2 * static_cast<int>(tiny_model().layout().entries().size());

  const int count = expect_told_right(/*gradients=*/false);

  EXPECT_GT(count, 0);
  if (GetParam() < 3) {
    EXPECT_EQ(count, all);
  }
}

TEST_P(ToldByRanks, AreTheGradientsOfOneRankOrNothing) {
  const int all = 2 * static_cast<int>(tiny_model().layout().entries().size());

  const int count = expect_told_right(/*gradients=*/true);

  EXPECT_GT(count, 0);
  if (GetParam() < 1) {
    EXPECT_EQ(count, all);
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, ToldByRanks, testing::Range(0, 4));

}  // namespace
}  // namespace cairn
