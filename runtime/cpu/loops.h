// The inner loops of the CPU body, over rows and ranges of floats. The same
// sources are compiled for several instruction sets (folder variants/); loops()
// is the best table this processor can run.
//
// No loop depends on the alignment of its operands or on threads: the same
// operands give the same bits. Operands may be the same address, element for
// element, but not shifted.

#pragma once

#include <cstdint>

namespace cairn {

// The dropout of one row: one position of one sample.
struct DropoutRow {
  std::uint64_t seed;
  std::uint32_t position;
  std::uint32_t sample_low;
  std::uint32_t sample_high_and_site;
  std::uint32_t threshold;
  float scale;
};

// y = residual + dropout(gelu(y + bias)), each part only where it is given;
// pre gets y + bias.
struct LinearRow {
  const float* product;
  float* y;
  const float* bias;
  float* pre;
  const float* residual;
  const DropoutRow* dropout;
  std::int64_t column;  // of the first element; a multiple of 4
  std::int64_t n;
  bool gelu;
};

struct NormRow {
  const float* x;
  const float* branch;
  float* sum;
  const float* weight;  // less one
  const float* bias;
  float* y;
  const DropoutRow* dropout;
  std::int64_t n;
  float epsilon;
  float mean;       // out
  float deviation;  // out: its inverse
  bool rms;
};

struct NormGradientRow {
  const float* dy;
  const float* x;
  const float* weight;  // less one
  const float* residual;
  float* dx;
  float* dweight;  // added to
  float* dbias;    // added to
  std::int64_t n;
  float mean;
  float deviation;  // its inverse
  bool rms;
};

// One block of scores of attention: `rows` queries from `first_row` on against
// `columns` keys from `first_column` on, positions in the sample.
struct ScoreBlock {
  float* scores;
  std::int64_t stride;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t first_row;
  std::int64_t first_column;
  float scale;
};

struct AdamWRange {
  float* p;
  const float* g;
  float* m;
  float* v;
  std::int64_t n;
  float factor;
  float lr;
  float beta1;
  float beta2;
  float epsilon;
  float decay;
  float bias1;
  float bias2;
};

struct Loops {
  void (*gelu)(const float* x, float* y, std::int64_t n);
  // dy *= gelu'(pre)
  void (*gelu_gradient)(float* dy, const float* pre, std::int64_t n);
  void (*silu_times)(const float* gate, const float* up, float* y,
                     std::int64_t n);
  // dgate and dup may be gate and up
  void (*silu_gradient)(const float* dy, const float* gate, const float* up,
                        float* dgate, float* dup, std::int64_t n);
  void (*add)(const float* x, float* y, std::int64_t n);  // y += x
  void (*sum)(const float* a, const float* b, float* y, std::int64_t n);
  void (*multiply)(float* y, float by, std::int64_t n);
  void (*dropout)(const float* x, float* y, const DropoutRow& dropout,
                  std::int64_t column, std::int64_t n);
  void (*finish_linear)(const LinearRow& row);
  void (*norm)(NormRow& row);
  void (*norm_gradient)(const NormGradientRow& row);
  // Rows a and b turned by the angles whose cosines and sines are given.
  void (*turn)(float* a, float* b, const float* cosine, const float* sine,
               std::int64_t n);
  // Scores to exp(score * scale - max), with the running max and sum of each
  // row carried on; `keep` is what earlier sums must be multiplied by.
  void (*softmax_block)(const ScoreBlock& block, float* max, float* sum,
                        float* keep);
  // Scores to probabilities, by the log-sum-exp of each row.
  void (*probabilities)(const ScoreBlock& block, const float* lse);
  // dp = p * (dp - delta) * scale
  void (*score_gradient)(const ScoreBlock& p, float* dp, const float* delta);
  float (*dot)(const float* a, const float* b, std::int64_t n);
  // The cross-entropy of one row of logits; with `gradient` the row becomes
  // (softmax - one at target) * scale.
  float (*cross_entropy)(float* logits, std::int64_t n, std::int64_t target,
                         float scale, bool gradient);
  double (*squares)(const float* x, std::int64_t n);
  void (*adamw)(const AdamWRange& range);
  // x[i] = deviation * normal(first + i), first even.
  void (*normal)(float* x, std::int64_t n, std::uint64_t first,
                 std::uint64_t seed, std::uint32_t stream, float deviation);
  bool (*finite)(const float* x, std::int64_t n);
};

const Loops& loops();

}  // namespace cairn
