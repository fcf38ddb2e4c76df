#include "runtime/cpu/gemm.h"
#include "runtime/cpu/ops.h"

namespace cairn {
namespace {

constexpr std::int64_t kColumnPiece = 64;

const float* at(const TensorView& view, std::int64_t offset) {
  return view ? view.as<float>() + offset : nullptr;
}

// Finishes the rows of one tile; its product is dense at `place`, or in y.
void finish_tile(const LinearForward& op, const Tile& tile,
                 const float* place) {
  const std::int64_t n = op.w.shape[0];
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    const std::int64_t token = tile.row + r;
    const std::int64_t offset = token * n + tile.column;
    DropoutRow dropout;
    if (op.dropout) dropout = dropout_row(op.dropout, token, op.sequence);
    LinearRow row = {};
    row.y = op.y.as<float>() + offset;
    row.product = place != nullptr ? place + r * tile.columns : row.y;
    row.bias = at(op.bias, tile.column);
    row.pre = op.pre ? op.pre.as<float>() + offset : nullptr;
    row.residual = at(op.residual, offset);
    row.dropout = op.dropout ? &dropout : nullptr;
    row.column = tile.column;
    row.n = tile.columns;
    row.gelu = op.activation == Activation::kGelu;
    loops().finish_linear(row);
  }
}

}  // namespace

// By columns.
void sum_rows(Team& team, const TensorView& rows, const TensorView& total,
              bool accumulate) {
  const std::int64_t tokens = rows.shape[0];
  const std::int64_t n = rows.shape[1];
  const float* from = rows.as<float>();
  float* to = total.as<float>();
  in_pieces(team, n, kColumnPiece, [&](std::int64_t first, std::int64_t end) {
    float sums[kColumnPiece] = {};
    for (std::int64_t token = 0; token < tokens; ++token) {
      loops().add(from + token * n + first, sums, end - first);
    }
    for (std::int64_t c = first; c < end; ++c) {
      to[c] = (accumulate ? to[c] : 0.0F) + sums[c - first];
    }
  });
}

void run(const Crew& crew, const LinearForward& op) {
  const std::int64_t n = op.w.shape[0];
  const std::int64_t k = op.w.shape[1];
  Gemm g;
  g.m = op.x.shape[0];
  g.n = n;
  g.k = k;
  g.a = op.x.as<float>();
  g.lda = k;
  g.b = op.w.as<float>();
  g.ldb = k;
  g.transpose_b = true;
  g.c = op.y.as<float>();
  g.ldc = n;
  if (op.residual && op.residual.data == op.y.data) {
    // y still holds what is to be added, so the product goes aside.
    const Grid grid = grid_of(g.m, g.n, kScratchTile);
    crew.team.for_each(grid.tiles(), [&](std::int64_t piece, int member) {
      const Tile tile = grid.tile(piece);
      gemm_tile(g, tile, crew.scratch_of(member));
      finish_tile(op, tile, crew.scratch_of(member));
    });
    return;
  }
  const bool plain = !op.bias && !op.residual && !op.dropout && !op.pre &&
                     op.activation == Activation::kNone;
  gemm_tiles(crew.team, g, [&](const Tile& tile, int) {
    if (!plain) finish_tile(op, tile, nullptr);
  });
}

void run(const Crew& crew, const LinearBackwardInput& op) {
  Gemm g;
  g.m = op.dy.shape[0];
  g.n = op.w.shape[1];
  g.k = op.w.shape[0];
  g.a = op.dy.as<float>();
  g.lda = g.k;
  g.b = op.w.as<float>();
  g.ldb = g.n;
  g.c = op.dx.as<float>();
  g.ldc = g.n;
  gemm_tiles(crew.team, g, [&](const Tile& tile, int) {
    if (op.activation == Activation::kNone) return;
    for (std::int64_t r = 0; r < tile.rows; ++r) {
      const std::int64_t offset = (tile.row + r) * g.n + tile.column;
      loops().gelu_gradient(g.c + offset, op.pre.as<float>() + offset,
                            tile.columns);
    }
  });
  if (op.dbias) sum_rows(crew.team, op.dx, op.dbias, op.accumulate);
}

void run(const Crew& crew, const LinearBackwardWeight& op) {
  Gemm g;
  g.m = op.dy.shape[1];
  g.n = op.x.shape[1];
  g.k = op.dy.shape[0];
  g.a = op.dy.as<float>();
  g.lda = g.m;
  g.transpose_a = true;
  g.b = op.x.as<float>();
  g.ldb = g.n;
  g.beta = op.accumulate ? 1.0F : 0.0F;
  g.c = op.dw.as<float>();
  g.ldc = g.n;
  gemm_tiles(crew.team, g);
  if (op.dbias) sum_rows(crew.team, op.dy, op.dbias, op.accumulate);
}

}  // namespace cairn
