#include "runtime/cpu/gemm.h"

#include <dnnl.h>

#include <algorithm>
#include <string>

#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::int64_t kTileRows = 256;
constexpr std::int64_t kTileColumns = 768;
constexpr std::int64_t kEnoughTiles = 8;
// What the library's inner kernel works in; cuts fall on its multiples.
constexpr std::int64_t kRowUnit = 16;
constexpr std::int64_t kColumnUnit = 48;

std::int64_t cut(std::int64_t extent, std::int64_t parts, std::int64_t unit) {
  const std::int64_t part = (extent + parts - 1) / parts;
  return (part + unit - 1) / unit * unit;
}

}  // namespace

void gemm(const Gemm& g) {
  const dnnl_status_t status =
      dnnl_sgemm(g.transpose_a ? 'T' : 'N', g.transpose_b ? 'T' : 'N', g.m, g.n,
                 g.k, 1.0F, g.a, g.lda, g.b, g.ldb, g.beta, g.c, g.ldc);
  if (status == dnnl_success) return;
  throw Error(Code::kDeviceFault, "dnnl_sgemm of m " + std::to_string(g.m) +
                                      ", n " + std::to_string(g.n) + ", k " +
                                      std::to_string(g.k) + " returned " +
                                      std::to_string(status));
}

Tile Grid::tile(std::int64_t index) const {
  // Down first: neighbours in time share the columns of b, the weight.
  Tile tile;
  tile.row = index % down() * rows;
  tile.column = index / down() * columns;
  tile.rows = std::min(rows, m - tile.row);
  tile.columns = std::min(columns, n - tile.column);
  return tile;
}

Grid grid_of(std::int64_t m, std::int64_t n, std::int64_t most) {
  std::int64_t down = (m + kTileRows - 1) / kTileRows;
  std::int64_t across = (n + kTileColumns - 1) / kTileColumns;
  for (;;) {
    const Grid grid = {m, n, cut(m, down, kRowUnit),
                       cut(n, across, kColumnUnit)};
    const bool small = most == 0 || grid.rows * grid.columns <= most;
    const bool least =
        grid.rows <= 4 * kRowUnit && grid.columns <= 2 * kColumnUnit;
    if (small && (grid.tiles() >= kEnoughTiles || least)) return grid;
    if (2 * grid.rows > grid.columns && grid.rows > kRowUnit) {
      down *= 2;
    } else {
      across *= 2;
    }
  }
}

void gemm_tile(const Gemm& g, const Tile& tile, float* place) {
  Gemm part = g;
  part.m = tile.rows;
  part.n = tile.columns;
  part.a += g.transpose_a ? tile.row : tile.row * g.lda;
  part.b += g.transpose_b ? tile.column * g.ldb : tile.column;
  part.c = place != nullptr ? place : g.c + tile.row * g.ldc + tile.column;
  part.ldc = place != nullptr ? tile.columns : g.ldc;
  gemm(part);
}

}  // namespace cairn
