// Matrix products of the CPU body: a fixed grid of tiles, cut by shape alone,
// each one call of a single-threaded library product, then whatever the caller
// wants done to the tile while it is hot.

#pragma once

#include <cstdint>

#include "runtime/cpu/team.h"

namespace cairn {

// c = op(a) op(b) + beta c, row-major, c [m, n], the sum over k.
struct Gemm {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  const float* a = nullptr;
  std::int64_t lda = 0;
  bool transpose_a = false;
  const float* b = nullptr;
  std::int64_t ldb = 0;
  bool transpose_b = false;
  float beta = 0.0F;
  float* c = nullptr;
  std::int64_t ldc = 0;
};

// On the calling thread. Throws kDeviceFault with the operands if it fails.
void gemm(const Gemm& g);

struct Tile {
  std::int64_t row = 0;
  std::int64_t column = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

// The cut of an [m, n] result into tiles of at most `rows` x `columns`.
struct Grid {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  std::int64_t down() const { return (m + rows - 1) / rows; }
  std::int64_t across() const { return (n + columns - 1) / columns; }
  std::int64_t tiles() const { return down() * across(); }
  Tile tile(std::int64_t index) const;
};

// `most` bounds the elements of a tile; 0 leaves it to speed.
Grid grid_of(std::int64_t m, std::int64_t n, std::int64_t most = 0);

// The product of one tile of g, to g.c or, if given, to a dense [rows, columns]
// `place`.
void gemm_tile(const Gemm& g, const Tile& tile, float* place = nullptr);

// finish(tile, member) follows each tile's product on the same thread.
template <typename Finish>
void gemm_tiles(Team& team, const Gemm& g, const Finish& finish) {
  const Grid grid = grid_of(g.m, g.n);
  team.for_each(grid.tiles(), [&](std::int64_t piece, int member) {
    const Tile tile = grid.tile(piece);
    gemm_tile(g, tile);
    finish(tile, member);
  });
}

inline void gemm_tiles(Team& team, const Gemm& g) {
  gemm_tiles(team, g, [](const Tile&, int) {});
}

}  // namespace cairn
