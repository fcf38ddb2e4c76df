#include "sharding/sharded_parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <mutex>
#include <numeric>

#include "runtime/arena.h"
#include "tests/support/declared_block.h"
#include "tests/support/thread_ranks.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Ne;

// Sizes that divide by nothing.
Model odd_model() {
  return Model(declared({{vector_of("a", 3), vector_of("b", 131)},
                         {},
                         {vector_of("c", 997), vector_of("d", 1)}}));
}

// One rank's parameters, on a cpu backend, in an arena.
struct Rank {
  Rank(World& world, const Model& model, ShardingOptions options)
      : backend(make_backend("cpu", {1})),
        stream(backend->make_stream("compute")),
        arena(backend->memory(), std::size_t{1} << 20, *stream),
        workspace(backend->memory(), *stream, Owner::kWorkspace, DType::kF32,
                  {static_cast<std::int64_t>(backend->workspace_bytes()) / 4}),
        kernels(backend->make_kernels(workspace)),
        parameters({*backend, arena, *stream, *kernels}, timeline, world, model,
                   std::move(options)) {}

  // As f32, of whatever type they are.
  std::vector<float> values(const TensorView& view) {
    const Tensor wide(backend->memory(), *stream, Owner::kData, DType::kF32,
                      view.shape);
    kernels->cast(*stream, view, wide);
    std::vector<float> all(static_cast<std::size_t>(view.elements()));
    backend->download(*stream, all.data(), wide);
    stream->synchronize();
    return all;
  }

  std::unique_ptr<Backend> backend;
  std::unique_ptr<Stream> stream;
  Arena arena;
  Tensor workspace;
  std::unique_ptr<Kernels> kernels;
  Timeline timeline;
  ShardedParameters parameters;
};

ShardingOptions options_of(int stage, int ranks, DType dtype = DType::kF32) {
  ShardingOptions options;
  options.stage = stage;
  options.dtype = dtype;
  options.blocks = {0, 1, 2};
  options.data_ranks.resize(static_cast<std::size_t>(ranks));
  std::iota(options.data_ranks.begin(), options.data_ranks.end(), 0);
  options.most_rows = 1;
  return options;
}

// What `work` gives on every rank, by rank.
using Values = std::vector<std::vector<float>>;
Values on_rank_parameters(
    int stage, int ranks,
    const std::function<std::vector<float>(Rank&, int)>& work,
    DType dtype = DType::kF32) {
  const Model model = odd_model();
  Values all(static_cast<std::size_t>(ranks));
  on_threads(ranks, [&](World& world) {
    Rank rank(world, model, options_of(stage, ranks, dtype));
    rank.parameters.draw(5);
    all[static_cast<std::size_t>(world.rank())] = work(rank, world.rank());
  });
  return all;
}

// The parameters of block 2, as a block would be given them.
std::vector<float> seen_by_block(Rank& rank, int /*number*/) {
  rank.parameters.gather(2);
  std::vector<TensorView> views;
  rank.parameters.parameters_of(2, views);
  std::vector<float> all = rank.values(views[0]);
  const std::vector<float> more = rank.values(views[1]);
  all.insert(all.end(), more.begin(), more.end());
  rank.parameters.drop(2);
  return all;
}

TEST(ShardedParameters, AreTheSameToABlockAtEveryStageOnAnyNumberOfRanks) {
  const std::vector<float> want = on_rank_parameters(0, 1, seen_by_block)[0];
  ASSERT_EQ(want.size(), 998U);
  EXPECT_NE(want.front(), 0.0F);

  for (const int ranks : {2, 3, 5}) {
    for (int stage = 0; stage <= 3; ++stage) {
      for (const auto& found :
           on_rank_parameters(stage, ranks, seen_by_block)) {
        EXPECT_EQ(found, want) << stage << " " << ranks;
      }
    }
  }
}

TEST(ShardedParameters, BeginAsTheirSpecsSay) {
  const Model model(declared({{{"zeros", {70}, Init::kZeros},
                               {"ones", {70}, Init::kOnes},
                               {"normal", {70}, Init::kNormal, 0.1F}}}));
  for (const int stage : {0, 3}) {
    on_threads(2, [&](World& world) {
      ShardingOptions options = options_of(stage, 2);
      options.blocks = {0};
      Rank rank(world, model, options);
      rank.parameters.draw(5);
      rank.parameters.gather(0);
      std::vector<TensorView> views;
      rank.parameters.parameters_of(0, views);

      EXPECT_THAT(rank.values(views[0]), Each(0.0F));
      EXPECT_THAT(rank.values(views[1]), Each(1.0F));
      EXPECT_THAT(rank.values(views[2]), Each(AllOf(Ne(0.0F), Ne(1.0F))));
      rank.parameters.drop(0);
    });
  }
}

float rounded(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t odd = bits >> 16 & 1U;
  return std::bit_cast<float>((bits + 0x7FFFU + odd) & 0xFFFF0000U);
}

TEST(ShardedParameters, AreInBf16ToABlockWhatTheirMastersRoundTo) {
  std::vector<float> want = on_rank_parameters(0, 1, seen_by_block)[0];
  for (float& w : want) w = rounded(w);

  for (const int ranks : {1, 2, 3}) {
    for (int stage = 0; stage <= 3; ++stage) {
      for (const auto& found :
           on_rank_parameters(stage, ranks, seen_by_block, DType::kBF16)) {
        EXPECT_EQ(found, want) << stage << " " << ranks;
      }
    }
  }
}

// The master of block 2's unit, from every rank that has a shard of it.
std::vector<float> whole_of_block(Rank& rank, int /*number*/) {
  ShardedParameters::Unit& unit = *rank.parameters.unit_of(2);
  const Tensor whole = rank.parameters.whole_weights(unit);
  EXPECT_EQ(whole.dtype(), DType::kF32);
  std::vector<float> all = rank.values(whole);
  all.resize(static_cast<std::size_t>(unit.layout.padded(1)));
  return all;
}

TEST(ShardedParameters, HaveMastersInF32WhereTheyAreUpdated) {
  const std::vector<float> want = on_rank_parameters(0, 1, whole_of_block)[0];

  for (const int ranks : {1, 2, 3}) {
    for (int stage = 0; stage <= 3; ++stage) {
      for (const auto& found :
           on_rank_parameters(stage, ranks, whole_of_block, DType::kBF16)) {
        EXPECT_EQ(found, want) << stage << " " << ranks;
      }
    }
  }
}

// Sums a gradient that differs from rank to rank, and gives what this rank
// owns of it.
std::vector<float> own_sum(Rank& rank, int number) {
  std::vector<TensorView> views;
  rank.parameters.gradients_of(2, 0, views);
  rank.kernels->fill(*rank.stream, views[0],
                     0.1F * static_cast<float>(number + 1));
  rank.kernels->fill(*rank.stream, views[1], static_cast<float>(number));
  rank.parameters.reduce(2, 0, {});
  rank.parameters.finish_reductions();
  ShardedParameters::Unit& unit = *rank.parameters.unit_of(2);
  return rank.values(rank.parameters.own_gradients(unit));
}

TEST(ShardedParameters, SumGradientsInRankOrderWhereverTheyAreKept) {
  const float c = (0.1F + 0.2F) + 0.1F * 3.0F;

  for (int stage = 0; stage <= 3; ++stage) {
    SCOPED_TRACE(stage);
    std::vector<float> all;
    for (const auto& own : on_rank_parameters(stage, 3, own_sum)) {
      if (stage > 0) all.insert(all.end(), own.begin(), own.end());
      if (stage == 0) all = own;
    }
    ASSERT_GE(all.size(), 1025U);
    for (int i = 0; i < 997; ++i) ASSERT_EQ(all[i], c) << i;
    EXPECT_EQ(all[1024], 0.0F + 1.0F + 2.0F);
    EXPECT_EQ(all[1000], 0.0F);  // between them
  }
}

// Of block 2's unit, in bf16, after its last reduction and then restored.
std::vector<float> restored(Rank& rank, int number) {
  const std::vector<float> before = seen_by_block(rank, number);
  ShardedParameters::Unit& unit = *rank.parameters.unit_of(2);
  own_sum(rank, number);
  EXPECT_EQ(static_cast<bool>(unit.weights),
            rank.parameters.stage() == 3 && rank.parameters.data_size() > 1);
  EXPECT_TRUE(static_cast<bool>(unit.gradients));

  rank.parameters.restore();

  EXPECT_FALSE(static_cast<bool>(unit.gradients));
  EXPECT_EQ(seen_by_block(rank, number), before);
  return before;
}

TEST(ShardedParameters, LetBf16WeightsGoAfterTheirLastUseAndRestoreThem) {
  for (const int ranks : {1, 3}) {
    for (int stage = 0; stage <= 3; ++stage) {
      SCOPED_TRACE(std::to_string(ranks) + " " + std::to_string(stage));
      on_rank_parameters(stage, ranks, restored, DType::kBF16);
    }
  }
}

// Reads its parameters forward only, as an embedding does.
class Lookup final : public DeclaredBlock {
 public:
  using DeclaredBlock::DeclaredBlock;
  bool backward_reads_parameters() const override { return false; }
};

// Four blocks of one size; the last uses the first one's table too, if tied.
Model looked_up_model(bool tied) {
  const ParameterSpec table = table_of("a", 8, 128);
  Blocks blocks;
  blocks.push_back(std::make_unique<Lookup>(std::vector{table}));
  for (const char* name : {"b", "c"}) {
    blocks.push_back(
        std::make_unique<DeclaredBlock>(std::vector{vector_of(name, 1024)}));
  }
  std::vector<ParameterSpec> last{vector_of("d", 1024)};
  if (tied) last.push_back({"a", table.shape, Init::kNormal, 0.1F});
  blocks.push_back(std::make_unique<DeclaredBlock>(std::move(last)));
  return Model(std::move(blocks));
}

std::vector<const std::byte*> places_of_weights(Rank& rank) {
  std::vector<const std::byte*> places;
  for (const ShardedParameters::Unit& unit : rank.parameters.units()) {
    places.push_back(unit.weights.view().data);
  }
  return places;
}

// The life of memory in a step: gradients come and weights go from the last
// block to the first, and what the optimizer does.
void live_through_a_step(Rank& rank) {
  const Tensor token(rank.backend->memory(), *rank.stream, Owner::kData,
                     DType::kI32, {1});
  const std::int32_t number = 5;
  rank.backend->upload(*rank.stream, token, &number);
  std::vector<TensorView> views;
  for (int block = 3; block >= 0; --block) {
    rank.parameters.gradients_of(block, 0, views);
    rank.parameters.reduce(block, 0, token);
  }
  rank.parameters.finish_reductions();
  for (const std::size_t u : rank.parameters.update_order()) {
    rank.parameters.make_room(rank.parameters.units()[u]);
    rank.parameters.publish(rank.parameters.units()[u]);
  }
  rank.stream->synchronize();
}

TEST(ShardedParameters, FindTheirPlacesFreeAfterEveryStep) {
  for (const bool tied : {false, true}) {
    const Model model = looked_up_model(tied);
    for (int stage = 0; stage <= 3; ++stage) {
      SCOPED_TRACE(std::to_string(tied) + " " + std::to_string(stage));
      on_threads(2, [&](World& world) {
        ShardingOptions options = options_of(stage, 2, DType::kBF16);
        options.blocks = {0, 1, 2, 3};
        Rank rank(world, model, options);
        rank.parameters.draw(5);
        const auto places = places_of_weights(rank);

        for (int step = 0; step < 3; ++step) {
          live_through_a_step(rank);
          EXPECT_EQ(places_of_weights(rank), places) << step;
        }
      });
    }
  }
}

TEST(ShardedParameters, RefuseAParameterThatIsNotHere) {
  const Model model = odd_model();
  on_threads(1, [&](World& world) {
    ShardingOptions options = options_of(0, 1);
    options.blocks = {0, 1};
    Rank rank(world, model, options);
    std::vector<TensorView> views;

    EXPECT_EQ(
        thrown([&] { rank.parameters.parameters_of(2, views); }).message(),
        "this rank does not hold the parameter c");
  });
}

TEST(ShardedParameters, RefuseToBeUsedWhileTheyAreNotWhole) {
  on_rank_parameters(3, 2, [](Rank& rank, int) {
    std::vector<TensorView> views;
    EXPECT_EQ(
        thrown([&] { rank.parameters.parameters_of(2, views); }).message(),
        "parameters are used while gathered");
    return std::vector<float>{};
  });
}

TEST(ShardedParameters, RefuseGroupsBesideDataRanks) {
  const Model model = odd_model();
  on_threads(2, [&](World& world) {
    ShardingOptions options = options_of(0, 2);
    options.groups = 2;
    EXPECT_THAT(thrown([&] { Rank(world, model, options); }).message(),
                HasSubstr("groups of micro-batches repeat data ranks"));
  });
}

}  // namespace
}  // namespace cairn
