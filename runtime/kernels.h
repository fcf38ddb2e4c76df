// Kernels: everything a device computes, already fused the way training needs
// it. Blocks are written against this once and hold no device code.
//
// Every operation only enqueues work on its stream. Operands are dense views
// that must live until the work is done (stream-ordered memory sees to that).
// M is the number of tokens of the micro-batch, samples x sequence; matrices
// are row-major; a weight is stored as [outputs, inputs], so y = x w^T.
//
// Element types: activations and weights are all of one type, f32 or bf16;
// gradients of weights, norm statistics, log-sum-exps, losses and optimizer
// state are f32; partial sums f64; tokens i32. In bf16 sums are f32, and what
// is made of a value that is stored is made of it as it was rounded, so that
// making it again gives the same bits. Gradients of weights are overwritten
// when `accumulate` is false and added to when it is true.
//
// Determinism: the same operands give the same bits, whatever the number of
// threads. Every reduction has a fixed order that depends on shapes alone. The
// exception is a body that was asked for speed instead
// (BackendOptions::deterministic).
// Operands must not overlap unless an operation says that it works in place.
//
// Errors: kBadArgument, naming operation and shapes, when operands do not fit.

#pragma once

#include <array>
#include <cstdint>

#include "runtime/random.h"
#include "runtime/stream.h"
#include "runtime/tensor.h"

namespace cairn {

enum class Activation : std::uint8_t { kNone, kGelu };  // GELU by tanh
enum class NormKind : std::uint8_t { kLayer, kRms };

// y = activation(x w^T + bias), or y = residual + dropout(x w^T + bias).
struct LinearForward {
  TensorView x;     // [M, K]
  TensorView w;     // [N, K]
  TensorView bias;  // [N], or none
  TensorView y;     // [M, N]
  Activation activation = Activation::kNone;
  TensorView pre;       // [M, N]: what activation was applied to; with it only
  TensorView residual;  // [M, N], or none; may be y itself
  Dropout dropout;
  std::int64_t sequence = 1;  // tokens a sample; for dropout
};

// dx = dy w, times the derivative of the activation at `pre` if there is one;
// dbias = the sum of that dx over tokens, the gradient of the bias before the
// activation.
struct LinearBackwardInput {
  TensorView dy;  // [M, N]
  TensorView w;   // [N, K]
  TensorView dx;  // [M, K]
  Activation activation = Activation::kNone;
  TensorView pre;           // [M, K], with an activation only
  TensorView dbias;         // [K], or none; with an activation only
  bool accumulate = false;  // for dbias
};

// dw = dy^T x; dbias = the sum of dy over tokens.
struct LinearBackwardWeight {
  TensorView dy;     // [M, N]
  TensorView x;      // [M, K]
  TensorView dw;     // [N, K]
  TensorView dbias;  // [N], or none
  bool accumulate = false;
};

// sum = x + dropout(branch); y = norm(sum) * (1 + weight) + bias. Without a
// branch, y = norm(x) * (1 + weight) + bias and `sum` is none. A weight is its
// gain less one: gains stay near 1, where bf16 has steps of 1/256 and 1/128,
// more than the first steps of training move them.
struct NormForward {
  NormKind kind = NormKind::kLayer;
  float epsilon = 1e-5F;
  TensorView x;       // [M, C]
  TensorView branch;  // [M, C], or none
  TensorView sum;     // [M, C], with a branch; may be x or branch itself
  TensorView weight;  // [C]: less one
  TensorView bias;    // [C]; none for kRms
  TensorView y;       // [M, C]
  TensorView stats;   // f32 [2, M]: mean (0 for kRms), 1 / deviation
  Dropout dropout;
  std::int64_t sequence = 1;
};

// dx = residual + the gradient of norm at x; dweight and dbias by fixed chunks
// of kNormChunk rows through `partials`.
struct NormBackward {
  NormKind kind = NormKind::kLayer;
  TensorView dy;        // [M, C]
  TensorView x;         // [M, C]: what was normalised
  TensorView stats;     // f32 [2, M]
  TensorView weight;    // [C]: less one
  TensorView residual;  // [M, C], or none
  TensorView dx;        // [M, C]; may be residual or dy itself
  TensorView dweight;   // [C]
  TensorView dbias;     // [C]; none for kRms
  TensorView partials;  // f32, norm_partials(M, C)
  bool accumulate = false;
  // The sums over tokens of residual and of dx, f32 [C], or none: they are the
  // gradients of biases that were added there.
  TensorView residual_sums;
  TensorView dx_sums;
};
inline constexpr std::int64_t kNormChunk = 64;
inline Shape norm_partials(std::int64_t tokens, std::int64_t width) {
  return {(tokens + kNormChunk - 1) / kNormChunk, 2, width};
}

// Causal attention on packed q, k, v: a row of qkv holds `heads` query heads,
// then `kv_heads` key heads, then `kv_heads` value heads, `head_size` each.
// Query head h reads key and value head h / (heads / kv_heads). The scale is
// 1 / sqrt(head_size).
struct AttentionShape {
  std::int64_t samples = 0;
  std::int64_t sequence = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;

  std::int64_t qkv_width() const { return (heads + 2 * kv_heads) * head_size; }
};
struct AttentionForward {
  AttentionShape shape;
  TensorView qkv;  // [M, qkv_width]
  TensorView out;  // [M, heads * head_size]
  TensorView lse;  // f32 [samples, heads, sequence]: log-sum-exp of each row
};
struct AttentionBackward {
  AttentionShape shape;
  TensorView dout;  // [M, heads * head_size]
  TensorView qkv;
  TensorView out;
  TensorView lse;
  TensorView dqkv;  // [M, qkv_width]
  // To work in, with bf16: f32, attention_scratch() of runtime/
  // attention_scratch.h, and no fewer than lse has.
  TensorView scratch;
};

// Turns the query and key heads of packed qkv, in place, by the angle of their
// position (half-split form: Su et al., "RoFormer", 2021). `inverse` turns
// back, which is also the gradient.
struct Rotary {
  AttentionShape shape;
  TensorView qkv;
  float theta = 10000.0F;
  bool inverse = false;
};

// y = silu(gate) * up, with gate_up [M, 2F] holding gate, then up, in each row.
struct SwigluForward {
  TensorView gate_up;  // [M, 2F]
  TensorView y;        // [M, F]
};
struct SwigluBackward {
  TensorView dy;        // [M, F]
  TensorView gate_up;   // [M, 2F]
  TensorView dgate_up;  // [M, 2F]; may be gate_up itself
  // [M, F], or none: what forward gives, again and to the bit; may be dy
  // itself.
  TensorView y;
};

// y = gelu(x): an activation again; the bits are the same where deterministic.
struct Gelu {
  TensorView x;
  TensorView y;
};

// y = dropout(table[token] + positions[position in sample]).
struct EmbeddingForward {
  TensorView tokens;     // i32 [M]
  TensorView table;      // [V, C]
  TensorView positions;  // [P, C] with P >= sequence, or none
  TensorView y;          // [M, C]
  Dropout dropout;
  std::int64_t sequence = 1;
};

// drows[row[i]] += dropout(dy[i]) in ascending i: the gradient of the rows of
// the table that occur in the step, compact, always accumulated. dpositions is
// summed over samples in ascending order; its rows beyond `sequence` are set to
// zero when not accumulating.
struct EmbeddingBackward {
  TensorView rows;        // i32 [M]: for each token its row in drows
  TensorView dy;          // [M, C]; may be overwritten
  TensorView drows;       // f32 [U, C]
  TensorView dpositions;  // f32 [P, C], or none
  Dropout dropout;
  std::int64_t sequence = 1;
  bool accumulate = false;  // for dpositions
};

// dtable[token[u]] = drows[u], or += when accumulating; rows whose token is not
// listed are set to zero when not accumulating.
struct ScatterRows {
  TensorView drows;   // f32 [U, C]
  TensorView tokens;  // i32 [U], distinct
  TensorView dtable;  // f32 [V, C]
  bool accumulate = false;
};

// Language-model head with softmax cross-entropy, by chunks of tokens, so that
// at most `logits` is ever held. With gradients (training) it sets dx and dw
// (for a loss gradient of `scale` a token); without, it only measures.
struct HeadLoss {
  TensorView x;        // [M, C]
  TensorView w;        // [V, C]
  TensorView targets;  // i32 [M]
  TensorView logits;   // [R, V or more]: scratch; R tokens go at once
  TensorView losses;   // f32 [M]: scratch, the loss of each token
  TensorView loss;     // f32 [1]: their mean, summed in order in f64
  TensorView dx;       // [M, C], or none; may not be x
  TensorView dw;       // f32 [V, C], with dx only
  float scale = 1.0F;
  bool accumulate = false;
};
// The logits that blocks give. f32: at most 64 MiB, or 32 tokens. bf16, the
// type of devices that are fast at large products of aligned rows: a quarter of
// the tokens, from 2048 to 8192 of them and at most 2 GiB (or 128 tokens), in
// rows of a multiple of 8.
Shape head_logits(std::int64_t tokens, std::int64_t vocab, DType dtype);

// partials[i] = the sum of squares of the i-th `chunk` elements of x.
struct SquaredNorm {
  TensorView x;         // f32, any shape
  TensorView partials;  // f64 [elements / chunk, rounded up]
  std::int64_t chunk = 65536;

  std::int64_t chunks() const { return (x.elements() + chunk - 1) / chunk; }
};

// norm = sqrt of the sum of all partials, in an order that their number fixes.
// factor = limit / norm when limit > 0 and norm > limit, else 1; NaN when the
// norm is not finite, and NaN for ever after, so that no later step touches the
// weights.
struct ClipFactor {
  TensorView partials;  // f64
  TensorView norm;      // f32 [1]
  TensorView factor;    // f32 [1]: read and written
  float limit = 0.0F;
};

// Elements at which a property that holds from the first on ends, begins again,
// ends again and so on: ascending, some possibly at an element that is not
// there, so that a part of a tensor can keep the switches of the whole.
struct Switches {
  static constexpr int kMost = 24;

  std::array<std::int64_t, kMost> at = {};
  int count = 0;
};

// AdamW (Loshchilov and Hutter, 2019) on one tensor, decoupled decay:
//   g = factor * grad;  m, v as in Adam;
//   p = p - lr * decay * p - lr * (m / bias1) / (sqrt(v / bias2) + epsilon),
// with a decay of 0 where `decays` is off.
// When factor is NaN, param, m and v stay as they are. `copy`, if given, gets p
// in its own type either way.
struct AdamW {
  TensorView param;   // f32
  TensorView grad;    // f32
  TensorView m;       // f32
  TensorView v;       // f32
  TensorView copy;    // bf16, or none
  TensorView factor;  // f32 [1]
  float lr = 0.0F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float decay = 0.0F;
  float bias1 = 1.0F;  // 1 - beta1^t
  float bias2 = 1.0F;  // 1 - beta2^t
  Switches decays = {};
};

// x = std * normal(element index), by Box-Muller on
// philox(seed, {index / 2 low, index / 2 high, stream, 0}).
struct FillNormal {
  TensorView x;  // f32
  float deviation = 1.0F;
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;        // differs for every tensor
  std::int64_t first_element = 0;  // of x within the whole tensor
};

class Kernels {
 public:
  virtual ~Kernels() = default;

  virtual void linear_forward(Stream& stream, const LinearForward& op) = 0;
  virtual void linear_backward_input(Stream& stream,
                                     const LinearBackwardInput& op) = 0;
  virtual void linear_backward_weight(Stream& stream,
                                      const LinearBackwardWeight& op) = 0;
  virtual void norm_forward(Stream& stream, const NormForward& op) = 0;
  virtual void norm_backward(Stream& stream, const NormBackward& op) = 0;
  virtual void attention_forward(Stream& stream,
                                 const AttentionForward& op) = 0;
  virtual void attention_backward(Stream& stream,
                                  const AttentionBackward& op) = 0;
  virtual void rotary(Stream& stream, const Rotary& op) = 0;
  virtual void swiglu_forward(Stream& stream, const SwigluForward& op) = 0;
  virtual void swiglu_backward(Stream& stream, const SwigluBackward& op) = 0;
  virtual void gelu(Stream& stream, const Gelu& op) = 0;
  virtual void embedding_forward(Stream& stream,
                                 const EmbeddingForward& op) = 0;
  virtual void embedding_backward(Stream& stream,
                                  const EmbeddingBackward& op) = 0;
  virtual void scatter_rows(Stream& stream, const ScatterRows& op) = 0;
  virtual void head_loss(Stream& stream, const HeadLoss& op) = 0;
  virtual void squared_norm(Stream& stream, const SquaredNorm& op) = 0;
  virtual void clip_factor(Stream& stream, const ClipFactor& op) = 0;
  virtual void adamw(Stream& stream, const AdamW& op) = 0;
  virtual void fill_normal(Stream& stream, const FillNormal& op) = 0;

  // x = value, in every element.
  virtual void fill(Stream& stream, const TensorView& x, float value) = 0;
  // y = x, converted to y's type. Same number of elements.
  virtual void cast(Stream& stream, const TensorView& x,
                    const TensorView& y) = 0;
  // y = x + y.
  virtual void add(Stream& stream, const TensorView& x,
                   const TensorView& y) = 0;
  // y = dropout(x), for x and y [M, C]; also the gradient. y may be x itself.
  virtual void dropout(Stream& stream, const TensorView& x, const TensorView& y,
                       const Dropout& dropout, std::int64_t sequence) = 0;
  // finite = 1 if every element of x is finite, else 0. For finding where a
  // run diverged; not used in a step.
  virtual void all_finite(Stream& stream, const TensorView& x,
                          const TensorView& finite) = 0;
};

}  // namespace cairn
