#include "sharding/unit_layout.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/declared_block.h"
#include "tests/support/test_seed.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

// One block with vectors of these sizes.
Model model_of(const std::vector<std::int64_t>& sizes) {
  std::vector<ParameterSpec> specs;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    specs.push_back(vector_of("p" + std::to_string(i), sizes[i]));
  }
  return Model(declared({specs}));
}

std::vector<std::int64_t> random_sizes(std::mt19937_64& random) {
  std::uniform_int_distribution<int> count(1, 6);
  std::uniform_int_distribution<int> magnitude(0, 22);
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(count(random)));
  for (std::int64_t& size : sizes) {
    const std::int64_t most = std::int64_t{1} << magnitude(random);
    size = std::uniform_int_distribution<std::int64_t>(1, most)(random);
  }
  return sizes;
}

TEST(UnitLayout, PutsEachParameterAtAnAlignedPlaceOfItsOwn) {
  const UnitLayout layout(model_of({1, 63, 64, 65, 1000, 7}), 0);

  std::int64_t end = 0;
  for (const UnitLayout::Entry& entry : layout.entries()) {
    EXPECT_EQ(entry.offset % kParameterAlignment, 0);
    EXPECT_GE(entry.offset, end);
    EXPECT_LT(entry.offset, end + kParameterAlignment);
    end = entry.range().end;
  }
  EXPECT_EQ(layout.entries().size(), 6U);
  EXPECT_EQ(end, 64 + 64 + 64 + 128 + 1024 + 7);
}

TEST(UnitLayout, CutsIntoAsFewElementsAPieceAsItsMostPiecesAllow) {
  const auto piece = [](std::int64_t elements) {
    return UnitLayout(model_of({elements}), 0).piece();
  };
  EXPECT_EQ(piece(1), kParameterAlignment);
  EXPECT_EQ(piece(kParameterAlignment * kMostPieces), kParameterAlignment);
  EXPECT_EQ(piece(kParameterAlignment * kMostPieces + 1),
            2 * kParameterAlignment);
  EXPECT_EQ(
      UnitLayout(model_of({kParameterAlignment * kMostPieces + 1}), 0).pieces(),
      kMostPieces / 2 + 1);
}

void expect_shards_cover(const UnitLayout& layout, int ranks) {
  const std::int64_t shard = layout.shard(ranks);
  EXPECT_EQ(layout.padded(ranks), shard * ranks);
  EXPECT_EQ(shard % layout.piece(), 0);
  EXPECT_GE(layout.padded(ranks), layout.entries().back().range().end);
  EXPECT_LT(layout.padded(ranks) - layout.padded(1), ranks * layout.piece());
  std::int64_t end = 0;
  std::int64_t piece = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    const Range range = layout.shard_range(ranks, rank);
    EXPECT_EQ(range, (Range{end, end + shard}));
    end = range.end;
    const Range pieces = layout.pieces_in(range);
    if (pieces.size() == 0) continue;
    EXPECT_EQ(pieces.first, piece);
    piece = pieces.end;
  }
  EXPECT_EQ(end, layout.padded(ranks));
  EXPECT_EQ(piece, layout.pieces());
}

TEST(UnitLayout, HasShardsThatCoverItOnceForAnySizesAndNumberOfRanks) {
  std::mt19937_64 random(test_seed());
  for (int draw = 0; draw < 100; ++draw) {
    const UnitLayout layout(model_of(random_sizes(random)), 0);
    SCOPED_TRACE(std::to_string(layout.pieces()) + " pieces of " +
                 std::to_string(layout.piece()));
    EXPECT_EQ(layout.piece() % kParameterAlignment, 0);
    EXPECT_LE(layout.pieces(), kMostPieces);
    for (int ranks = 1; ranks <= 17; ++ranks) {
      SCOPED_TRACE(ranks);
      expect_shards_cover(layout, ranks);
    }
  }
}

TEST(UnitLayout, LeavesRanksWithoutPiecesWhenThereAreMoreOfThem) {
  const UnitLayout layout(model_of({100}), 0);  // 2 pieces

  EXPECT_EQ(layout.shard(5), 64);
  EXPECT_EQ(layout.pieces_in(layout.shard_range(5, 1)), (Range{1, 2}));
  for (int rank = 2; rank < 5; ++rank) {
    EXPECT_EQ(layout.pieces_in(layout.shard_range(5, rank)).size(), 0);
  }
}

TEST(UnitLayout, GivesAParameterToTheFirstBlockThatDeclaresIt) {
  const Model model(declared({{table_of("table", 10, 4), vector_of("a", 3)},
                              {vector_of("b", 5)},
                              {vector_of("c", 7), {"table", {10, 4}}}}));
  const int table = model.layout().index_of("table");

  const UnitLayout first(model, 0);
  const UnitLayout last(model, 2);

  ASSERT_NE(first.find(table), nullptr);
  EXPECT_EQ(first.find(table)->shape, (Shape{10, 4}));
  EXPECT_TRUE(first.find(table)->decays);
  EXPECT_FALSE(first.find(model.layout().index_of("a"))->decays);
  EXPECT_EQ(last.find(table), nullptr);
  ASSERT_EQ(last.entries().size(), 1U);
  EXPECT_EQ(last.entries().front().parameter, model.layout().index_of("c"));
}

TEST(UnitLayout, OfABlockWithoutParametersIsEmpty) {
  const Model model(declared({{vector_of("a", 3)}, {}}));

  const UnitLayout layout(model, 1);

  EXPECT_TRUE(layout.empty());
  EXPECT_EQ(layout.shard(3), 0);
  EXPECT_EQ(layout.padded(1), 0);
  EXPECT_EQ(layout.pieces(), 0);
  EXPECT_EQ(layout.pieces_in(layout.shard_range(3, 2)), Range{});
}

TEST(UnitLayout, IsSharedByAtLeastOneRank) {
  const UnitLayout layout(model_of({3}), 0);
  EXPECT_EQ(thrown([&] { layout.shard(0); }).message(),
            "a unit is shared by at least one rank");
}

TEST(Overlap, IsEmptyWhereRangesDoNotMeet) {
  EXPECT_EQ(overlap({0, 10}, {4, 20}), (Range{4, 10}));
  EXPECT_EQ(overlap({4, 20}, {0, 10}), (Range{4, 10}));
  EXPECT_EQ(overlap({0, 4}, {4, 8}).size(), 0);
  EXPECT_EQ(overlap({0, 2}, {4, 8}).size(), 0);
  EXPECT_EQ(overlap({3, 5}, {0, 8}), (Range{3, 5}));
}

}  // namespace
}  // namespace cairn
