// The language-model head by chunks of tokens: logits, cross-entropy with the
// gradient in their place, then the two products of that.

#include <algorithm>

#include "runtime/cuda/entropy.h"
#include "runtime/cuda/ops.h"
#include "runtime/cuda/reduce.cuh"
#include "runtime/cuda/status.h"

namespace cairn {
namespace {

// The mean of all losses, in f64.
__global__ void mean_kernel(const float* losses, std::int64_t n, float* loss) {
  double sum = 0.0;
#pragma unroll 8
  for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    sum += static_cast<double>(losses[i]);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    loss[0] = static_cast<float>(sum / static_cast<double>(n));
  }
}

// Tokens `first` to `first + rows` of the head.
struct Chunk {
  const HeadLoss& op;
  std::int64_t first;
  std::int64_t rows;
  TensorView x;  // of these tokens

  std::int64_t width() const { return op.w.shape[1]; }
  std::int64_t stride() const { return op.logits.shape[1]; }
};

// Words `begin` to `end` of the vocabulary. Products are fast where their
// extents are multiples of 8, so an odd vocabulary goes as two of these.
struct Words {
  std::int64_t begin;
  std::int64_t end;

  std::int64_t count() const { return end - begin; }
};

template <typename Work>
void for_words(const HeadLoss& op, const Work& work) {
  const std::int64_t vocab = op.w.shape[0];
  const std::int64_t even = vocab / 8 * 8;
  const bool whole = op.x.dtype != DType::kBF16 || even == vocab || even == 0;
  work(Words{0, whole ? vocab : even});
  if (!whole) work(Words{even, vocab});
}

Product product_of(const Chunk& c) {
  Product p;
  p.in = c.op.x.dtype;
  p.out = c.op.x.dtype;
  p.m = c.rows;
  return p;
}

const std::byte* row_of(const TensorView& matrix, std::int64_t row) {
  return matrix.data + static_cast<std::size_t>(row * matrix.shape[1]) *
                           size_of(matrix.dtype);
}

std::byte* logits_of(const Chunk& c, const Words& words) {
  return c.op.logits.data +
         static_cast<std::size_t>(words.begin) * size_of(c.op.logits.dtype);
}

void make_logits(const Lane& lane, const Chunk& c, const Words& words) {
  Product p = product_of(c);
  p.n = words.count();
  p.k = c.width();
  p.a = c.x.data;
  p.b = row_of(c.op.w, words.begin);
  p.transpose_b = true;
  p.c = logits_of(c, words);
  p.c_stride = c.stride();
  lane.matmul.run(lane.stream, p);
}

void make_dx(const Lane& lane, const Chunk& c, const Words& words) {
  Product p = product_of(c);
  p.n = c.width();
  p.k = words.count();
  p.a = logits_of(c, words);
  p.a_stride = c.stride();
  p.b = row_of(c.op.w, words.begin);
  p.beta = words.begin > 0 ? 1.0F : 0.0F;
  p.c = c.op.dx.part(c.first * c.width(), c.x.shape).data;
  lane.matmul.run(lane.stream, p);
}

void make_dw(const Lane& lane, const Chunk& c, const Words& words) {
  Product p = product_of(c);
  p.m = words.count();
  p.n = c.width();
  p.k = c.rows;
  p.a = logits_of(c, words);
  p.a_stride = c.stride();
  p.transpose_a = true;
  p.b = c.x.data;
  p.beta = c.op.accumulate || c.first > 0 ? 1.0F : 0.0F;
  p.c = c.op.dw.part(words.begin * c.width(), {p.m, p.n}).data;
  p.out = DType::kF32;
  lane.matmul.run(lane.stream, p);
}

void run_chunk(const Lane& lane, const Chunk& c) {
  const HeadLoss& op = c.op;
  for_words(op, [&](const Words& words) { make_logits(lane, c, words); });
  run_entropy(lane.stream, {op.logits.part(0, {c.rows, c.stride()}),
                            op.targets.part(c.first, {c.rows}),
                            op.losses.part(c.first, {c.rows}), op.w.shape[0],
                            op.scale, static_cast<bool>(op.dx)});
  if (!op.dx) return;
  for_words(op, [&](const Words& words) {
    make_dx(lane, c, words);
    make_dw(lane, c, words);
  });
}

}  // namespace

void run(const Lane& lane, const HeadLoss& op) {
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t most = op.logits.shape[0];
  const std::int64_t width = op.x.shape[1];
  for (std::int64_t first = 0; first < tokens; first += most) {
    const std::int64_t rows = std::min(most, tokens - first);
    run_chunk(lane, {op, first, rows, op.x.part(first * width, {rows, width})});
  }
  mean_kernel<<<1, 1024, 0, lane.stream>>>(op.losses.as<float>(), tokens,
                                           op.loss.as<float>());
  check_launch("head_loss");
}

}  // namespace cairn
