// The operations that go over rows at widths of every kind: within a warp, over
// several, over a whole block, in whole aligned lanes or not; and gradients of
// embeddings with rows that many tokens share. What runs AtSmallSizes, here and
// in the other tests, takes every form of every kernel in so little work that
// compute-sanitizer gets through it.

#include <algorithm>

#include "cuda_lab.h"

namespace cairn {
namespace {

class CudaRows : public CudaLab {
 protected:
  void compare_norms(NormKind kind, std::int64_t tokens, std::int64_t width,
                     const Dropout& dropout = {}) {
    const Shape rows{tokens, width};
    NormForward forward;
    forward.kind = kind;
    forward.x = normal(rows);
    forward.branch = normal(rows);
    forward.sum = poison(rows);
    forward.weight = normal({width});
    if (kind == NormKind::kLayer) forward.bias = normal({width});
    forward.y = poison(rows);
    forward.stats = poison({2, tokens});
    forward.dropout = dropout;
    forward.sequence = tokens;
    expect_agreement(forward);
    NormBackward backward;
    backward.kind = kind;
    backward.dy = normal(rows);
    backward.x = normal(rows);
    backward.stats = normal({2, tokens}, 0.2F);
    backward.weight = normal({width});
    backward.residual = normal(rows);
    backward.dx = poison(rows);
    backward.dweight = poison({width});
    if (kind == NormKind::kLayer) backward.dbias = poison({width});
    backward.partials = poison(norm_partials(tokens, width));
    expect_agreement(backward);
  }

  // `rows` says for each token which row of `count` it adds to.
  void compare_embedding(const TensorView& rows, std::int64_t count,
                         std::int64_t width) {
    const std::int64_t tokens = rows.elements();
    EmbeddingBackward op;
    op.rows = rows;
    op.dy = normal({tokens, width});
    op.drows = normal({count, width});
    op.sequence = tokens;
    expect_agreement(op);
    op.dropout = some_dropout();
    op.dpositions = poison({tokens, width});
    expect_agreement(op);
  }
};

TEST_P(CudaRows, NormaliseRowsAtSmallSizes) {
  for (const std::int64_t width : {1, 104, 160, 161, 320, 321, 767, 768, 1600,
                                   1601, 12296, 12299, 16381, 16384}) {
    compare_norms(NormKind::kLayer, 2, width);
    compare_norms(NormKind::kRms, 2, width, some_dropout());
  }
  compare_norms(NormKind::kLayer, 2049, 9);
  compare_norms(NormKind::kRms, 2049, 8);
}

TEST_P(CudaRows, NormaliseRowsOfAllWidths) {
  for (const std::int64_t width : {1, 100, 768, 1600, 1601, 2048, 3080, 4096}) {
    for (const NormKind kind : {NormKind::kLayer, NormKind::kRms}) {
      compare_norms(kind, 1, width);
      compare_norms(kind, 75, width);
    }
  }
}

TEST_P(CudaRows, NormaliseRowsAsWideAsABlock) {
  for (const std::int64_t width : {6150, 12296, 16384}) {
    compare_norms(NormKind::kLayer, 11, width);
  }
}

TEST_P(CudaRows, SumGradientsOverChunksOfAllSizes) {
  for (const std::int64_t tokens : {2049, 4097, 8200, 16500}) {
    compare_norms(NormKind::kLayer, tokens, 40);
    compare_norms(NormKind::kRms, tokens, 9);
  }
}

TEST_P(CudaRows, AddUpRowsThatMostTokensShare) {
  for (const std::int64_t tokens : {1, 33, 64, 65, 2100, 4500}) {
    for (const std::int64_t width : {20, 1600}) {
      const TensorView rows = indices(tokens, 7);
      compare_embedding(rows, 7, width);
      for (std::int64_t i = 0; i < tokens; ++i) {
        if (i % 5 != 0) rows.as<std::int32_t>()[i] = 3;
      }
      compare_embedding(rows, 9, width);
      std::fill_n(rows.as<std::int32_t>(), tokens, 0);
      compare_embedding(rows, 1, width);
    }
  }
}

TEST_P(CudaRows, AddUpRowsAtSmallSizes) {
  for (const std::int64_t width : {5, 24}) {
    const TensorView rows = indices(200, 3);
    compare_embedding(rows, 5, width);
    std::fill_n(rows.as<std::int32_t>(), 200, 0);
    compare_embedding(rows, 1, width);
  }
}

TEST_P(CudaRows, AddUpManyRows) {
  compare_embedding(indices(20000, 9000), 9000, 16);
  compare_embedding(indices(3000, 70000), 70000, 5);
}

TEST_P(CudaRows, TurnHeadsOfAllSizesAtFarPositions) {
  for (const std::int64_t size : {2, 6, 16, 64, 128}) {
    const AttentionShape shape{5, 7, 3, 1, size};
    expect_agreement(Rotary{shape, normal({35, shape.qkv_width()})});
  }
  const AttentionShape far{1, 20000, 1, 1, 32};
  expect_agreement(Rotary{far, normal({20000, far.qkv_width()}), 10000.0F});
}

INSTANTIATE_TEST_SUITE_P(Types, CudaRows,
                         testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace cairn
