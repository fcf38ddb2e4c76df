// Attention by tiles: a block of queries against a block of keys at a time,
// with the softmax carried along (Milakov and Gimelshein, 2018; Dao et al.,
// 2022), so that no more than two tiles of scores exist per thread. One piece
// of work is a key-value head of a sample, done in order by one thread.

#include <algorithm>
#include <cmath>

#include "runtime/cpu/gemm.h"
#include "runtime/cpu/ops.h"

namespace cairn {
namespace {

// Where the rows of one head of one sample lie.
struct Head {
  std::int64_t sequence;
  std::int64_t size;
  std::int64_t stride;      // of q, k, v
  std::int64_t out_stride;  // of out
  float scale;
  std::int64_t q;  // offsets in qkv
  std::int64_t k;
  std::int64_t v;
  std::int64_t out;  // offset in out
  std::int64_t lse;  // offset in lse
};

Head head_of(const AttentionShape& s, std::int64_t sample, std::int64_t head) {
  const std::int64_t kv = head / (s.heads / s.kv_heads);
  const std::int64_t row = sample * s.sequence;
  Head h = {};
  h.sequence = s.sequence;
  h.size = s.head_size;
  h.stride = s.qkv_width();
  h.out_stride = s.heads * s.head_size;
  h.scale = 1.0F / std::sqrt(static_cast<float>(s.head_size));
  h.q = row * h.stride + head * s.head_size;
  h.k = row * h.stride + (s.heads + kv) * s.head_size;
  h.v = row * h.stride + (s.heads + s.kv_heads + kv) * s.head_size;
  h.out = row * h.out_stride + head * s.head_size;
  h.lse = (sample * s.heads + head) * s.sequence;
  return h;
}

// The block of scores of queries [row, ...) and keys [column, ...).
ScoreBlock block_of(const Head& h, std::int64_t row, std::int64_t column,
                    float* scores) {
  const std::int64_t rows = std::min(kQueryTile, h.sequence - row);
  const std::int64_t columns = std::min(kKeyTile, row + rows - column);
  return {scores, kKeyTile, rows, columns, row, column, h.scale};
}

// scores = a b^T over the head's size
void scores_of(const Head& h, const ScoreBlock& block, const float* a,
               std::int64_t lda, const float* b) {
  gemm({block.rows, block.columns, h.size, a, lda, false, b, h.stride, true,
        0.0F, block.scores, block.stride});
}

void forward_rows(const AttentionForward& op, const Head& h, std::int64_t row,
                  float* scratch) {
  const float* qkv = op.qkv.as<float>();
  float* out = op.out.as<float>() + h.out + row * h.out_stride;
  float* max = scratch + kScratchTile;
  float* sum = max + kQueryTile;
  float* keep = sum + kQueryTile;
  const std::int64_t rows = std::min(kQueryTile, h.sequence - row);
  std::fill_n(max, rows, -3.0e38F);
  std::fill_n(sum, rows, 0.0F);
  for (std::int64_t column = 0; column < row + rows; column += kKeyTile) {
    const ScoreBlock block = block_of(h, row, column, scratch);
    scores_of(h, block, qkv + h.q + row * h.stride, h.stride,
              qkv + h.k + column * h.stride);
    loops().softmax_block(block, max, sum, keep);
    for (std::int64_t r = 0; column > 0 && r < rows; ++r) {
      loops().multiply(out + r * h.out_stride, keep[r], h.size);
    }
    gemm({rows, h.size, block.columns, scratch, kKeyTile, false,
          qkv + h.v + column * h.stride, h.stride, false,
          column == 0 ? 0.0F : 1.0F, out, h.out_stride});
  }
  float* lse = op.lse.as<float>() + h.lse + row;
  for (std::int64_t r = 0; r < rows; ++r) {
    loops().multiply(out + r * h.out_stride, 1.0F / sum[r], h.size);
    lse[r] = max[r] + std::log(sum[r]);
  }
}

// One block of the backward pass: P again from lse, then the three gradients.
void backward_block(const AttentionBackward& op, const Head& h,
                    const ScoreBlock& p) {
  const float* qkv = op.qkv.as<float>();
  float* dqkv = op.dqkv.as<float>();
  float* dp = p.scores + kScratchTile;
  float* delta = dp + kScratchTile;
  const std::int64_t row = p.first_row;
  const std::int64_t queries = row * h.stride;
  const std::int64_t keys = p.first_column * h.stride;
  const float* dout = op.dout.as<float>() + h.out + row * h.out_stride;
  const float* out = op.out.as<float>() + h.out + row * h.out_stride;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    delta[r] =
        loops().dot(dout + r * h.out_stride, out + r * h.out_stride, h.size);
  }
  scores_of(h, p, qkv + h.q + queries, h.stride, qkv + h.k + keys);
  loops().probabilities(p, op.lse.as<float>() + h.lse + row);
  const float beta = 1.0F;
  gemm({p.columns, h.size, p.rows, p.scores, kKeyTile, true, dout, h.out_stride,
        false, beta, dqkv + h.v + keys, h.stride});
  ScoreBlock gradient = p;
  gradient.scores = dp;
  scores_of(h, gradient, dout, h.out_stride, qkv + h.v + keys);
  loops().score_gradient(p, dp, delta);
  gemm({p.columns, h.size, p.rows, dp, kKeyTile, true, qkv + h.q + queries,
        h.stride, false, beta, dqkv + h.k + keys, h.stride});
  gemm({p.rows, h.size, p.columns, dp, kKeyTile, false, qkv + h.k + keys,
        h.stride, false, p.first_column == 0 ? 0.0F : 1.0F,
        dqkv + h.q + queries, h.stride});
}

// Zeroes the rows of dk and dv of a block of keys, which sums are added to.
void clear_keys(const AttentionBackward& op, const Head& h,
                std::int64_t column) {
  float* dqkv = op.dqkv.as<float>();
  const std::int64_t end = std::min(column + kKeyTile, h.sequence);
  for (std::int64_t t = column; t < end; ++t) {
    std::fill_n(dqkv + h.k + t * h.stride, h.size, 0.0F);
    std::fill_n(dqkv + h.v + t * h.stride, h.size, 0.0F);
  }
}

}  // namespace

void run(const Crew& crew, const AttentionForward& op) {
  const AttentionShape& s = op.shape;
  crew.team.for_each(s.samples * s.heads, [&](std::int64_t piece, int member) {
    const Head h = head_of(s, piece / s.heads, piece % s.heads);
    for (std::int64_t row = 0; row < s.sequence; row += kQueryTile) {
      forward_rows(op, h, row, crew.scratch_of(member));
    }
  });
}

void run(const Crew& crew, const AttentionBackward& op) {
  const AttentionShape& s = op.shape;
  const std::int64_t group = s.heads / s.kv_heads;
  const auto work = [&](std::int64_t piece, int member) {
    const std::int64_t sample = piece / s.kv_heads;
    const std::int64_t kv = piece % s.kv_heads;
    float* scratch = crew.scratch_of(member);
    for (std::int64_t column = 0; column < s.sequence; column += kKeyTile) {
      clear_keys(op, head_of(s, sample, kv * group), column);
      for (std::int64_t i = 0; i < group; ++i) {
        const Head h = head_of(s, sample, kv * group + i);
        for (std::int64_t row = column; row < s.sequence; row += kQueryTile) {
          backward_block(op, h, block_of(h, row, column, scratch));
        }
      }
    }
  };
  crew.team.for_each(s.samples * s.kv_heads, work);
}

}  // namespace cairn
