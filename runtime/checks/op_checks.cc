#include "runtime/checks/op_checks.h"

#include <algorithm>
#include <string>

#include "runtime/error.h"

namespace cairn {
namespace {

// The operand `name` of operation `op` must be there, of `shape` and `dtype`;
// without one, of the type that activations have, which `first` tells.
class Operands {
 public:
  Operands(const char* op, const Body& body, const TensorView& first = {})
      : op_(op), body_(body) {
    if (body.bf16 && first.dtype == DType::kBF16) type_ = DType::kBF16;
  }

  void want(const char* name, const TensorView& view,
            const Shape& shape) const {
    want(name, view, shape, type_);
  }
  void maybe(const char* name, const TensorView& view,
             const Shape& shape) const {
    if (view) want(name, view, shape, type_);
  }

  void want(const char* name, const TensorView& view, const Shape& shape,
            DType dtype) const {
    if (view && view.shape == shape && view.dtype == dtype) return;
    if (shape.elements() == 0 && view.shape == shape) return;
    const std::string found =
        view ? to_text(view.shape) + " of " + name_of(view.dtype) : "none";
    throw Error(Code::kBadArgument, std::string(op_) + " takes " + name + " " +
                                        to_text(shape) + " of " +
                                        name_of(dtype) + " on " + body_.name +
                                        ", not " + found);
  }

  void maybe(const char* name, const TensorView& view, const Shape& shape,
             DType dtype) const {
    if (view) want(name, view, shape, dtype);
  }

  void holds(bool fits, const std::string& what) const {
    if (!fits) throw Error(Code::kBadArgument, std::string(op_) + ": " + what);
  }

  // Tokens must be whole samples wherever dropout or positions count them.
  void samples(std::int64_t tokens, std::int64_t sequence) const {
    holds(sequence > 0 && tokens % sequence == 0,
          std::to_string(tokens) + " tokens are not samples of " +
              std::to_string(sequence));
  }

  void dropout(const Dropout& dropout, std::int64_t tokens,
               std::int64_t sequence) const {
    if (!dropout) return;
    holds(dropout.probability < 1.0F, "a dropout of 1 keeps nothing");
    samples(tokens, sequence);
  }

  std::int64_t extent(const char* name, const TensorView& view, int dim) const {
    holds(view.shape.dims() == 2,
          std::string(name) + " " + to_text(view.shape) + " is not a matrix");
    return view.shape[dim];
  }

  // The tokens of an attention whose shape makes sense.
  std::int64_t tokens(const AttentionShape& s) const {
    holds(s.samples > 0 && s.sequence > 0 && s.heads > 0 && s.kv_heads > 0 &&
              s.head_size > 0 && s.heads % s.kv_heads == 0,
          std::to_string(s.heads) + " heads over " +
              std::to_string(s.kv_heads) + " key heads of size " +
              std::to_string(s.head_size) + ", " + std::to_string(s.samples) +
              " samples of " + std::to_string(s.sequence));
    return s.samples * s.sequence;
  }

 private:
  const char* op_;
  const Body& body_;
  DType type_ = DType::kF32;
};

}  // namespace

void check(const LinearForward& op, const Body& body) {
  const Operands o("linear_forward", body, op.x);
  const std::int64_t m = o.extent("x", op.x, 0);
  const std::int64_t k = o.extent("x", op.x, 1);
  const std::int64_t n = o.extent("w", op.w, 0);
  o.want("x", op.x, {m, k});
  o.want("w", op.w, {n, k});
  o.maybe("bias", op.bias, {n});
  o.want("y", op.y, {m, n});
  o.maybe("pre", op.pre, {m, n});
  o.maybe("residual", op.residual, {m, n});
  o.holds(op.activation == Activation::kNone || (!op.residual && !op.dropout),
          "an activation excludes residual and dropout");
  o.holds(op.activation != Activation::kNone || !op.pre,
          "pre is kept with an activation only");
  o.dropout(op.dropout, m, op.sequence);
}

void check(const LinearBackwardInput& op, const Body& body) {
  const Operands o("linear_backward_input", body, op.dy);
  const std::int64_t m = o.extent("dy", op.dy, 0);
  const std::int64_t n = o.extent("w", op.w, 0);
  const std::int64_t k = o.extent("w", op.w, 1);
  o.want("dy", op.dy, {m, n});
  o.want("w", op.w, {n, k});
  o.want("dx", op.dx, {m, k});
  if (op.activation != Activation::kNone) o.want("pre", op.pre, {m, k});
  o.maybe("dbias", op.dbias, {k}, DType::kF32);
  o.holds(op.activation != Activation::kNone || !op.dbias,
          "dbias is summed with an activation only");
}

void check(const LinearBackwardWeight& op, const Body& body) {
  const Operands o("linear_backward_weight", body, op.dy);
  const std::int64_t m = o.extent("dy", op.dy, 0);
  const std::int64_t n = o.extent("dy", op.dy, 1);
  const std::int64_t k = o.extent("x", op.x, 1);
  o.want("dy", op.dy, {m, n});
  o.want("x", op.x, {m, k});
  o.want("dw", op.dw, {n, k}, DType::kF32);
  o.maybe("dbias", op.dbias, {n}, DType::kF32);
}

void check(const NormForward& op, const Body& body) {
  const Operands o("norm_forward", body, op.x);
  const std::int64_t m = o.extent("x", op.x, 0);
  const std::int64_t c = o.extent("x", op.x, 1);
  o.want("x", op.x, {m, c});
  o.maybe("branch", op.branch, {m, c});
  if (op.branch) o.want("sum", op.sum, {m, c});
  o.want("weight", op.weight, {c});
  if (op.kind == NormKind::kLayer) o.want("bias", op.bias, {c});
  o.holds(op.kind == NormKind::kLayer || !op.bias, "an RMS norm has no bias");
  o.want("y", op.y, {m, c});
  o.want("stats", op.stats, {2, m}, DType::kF32);
  o.dropout(op.dropout, m, op.sequence);
}

void check(const NormBackward& op, const Body& body) {
  const Operands o("norm_backward", body, op.dy);
  const std::int64_t m = o.extent("x", op.x, 0);
  const std::int64_t c = o.extent("x", op.x, 1);
  o.want("dy", op.dy, {m, c});
  o.want("x", op.x, {m, c});
  o.want("stats", op.stats, {2, m}, DType::kF32);
  o.want("weight", op.weight, {c});
  o.maybe("residual", op.residual, {m, c});
  o.want("dx", op.dx, {m, c});
  o.want("dweight", op.dweight, {c}, DType::kF32);
  o.maybe("dbias", op.dbias, {c}, DType::kF32);
  o.want("partials", op.partials, norm_partials(m, c), DType::kF32);
  o.maybe("residual_sums", op.residual_sums, {c}, DType::kF32);
  o.holds(op.residual || !op.residual_sums,
          "there is no residual to be summed");
  o.maybe("dx_sums", op.dx_sums, {c}, DType::kF32);
}

void check(const AttentionForward& op, const Body& body) {
  const Operands o("attention_forward", body, op.qkv);
  const AttentionShape& s = op.shape;
  const std::int64_t m = o.tokens(s);
  o.want("qkv", op.qkv, {m, s.qkv_width()});
  o.want("out", op.out, {m, s.heads * s.head_size});
  o.want("lse", op.lse, {s.samples, s.heads, s.sequence}, DType::kF32);
}

void check(const AttentionBackward& op, const Body& body) {
  const Operands o("attention_backward", body, op.qkv);
  const AttentionShape& s = op.shape;
  const std::int64_t m = o.tokens(s);
  o.want("dout", op.dout, {m, s.heads * s.head_size});
  o.want("qkv", op.qkv, {m, s.qkv_width()});
  o.want("out", op.out, {m, s.heads * s.head_size});
  o.want("lse", op.lse, {s.samples, s.heads, s.sequence}, DType::kF32);
  o.want("dqkv", op.dqkv, {m, s.qkv_width()});
  o.holds(op.qkv.dtype != DType::kBF16 ||
              (op.scratch && op.scratch.dtype == DType::kF32 &&
               op.scratch.elements() >= op.lse.elements()),
          "scratch is f32 and has at least the elements of lse " +
              to_text(op.lse.shape) + " where qkv is bf16");
}

void check(const Rotary& op, const Body& body) {
  const Operands o("rotary", body, op.qkv);
  const std::int64_t m = o.tokens(op.shape);
  o.want("qkv", op.qkv, {m, op.shape.qkv_width()});
  o.holds(op.shape.head_size % 2 == 0 && op.shape.head_size <= 1024,
          "head size " + std::to_string(op.shape.head_size) +
              " is not even and at most 1024");
}

void check(const SwigluForward& op, const Body& body) {
  const Operands o("swiglu_forward", body, op.gate_up);
  const std::int64_t m = o.extent("y", op.y, 0);
  const std::int64_t f = o.extent("y", op.y, 1);
  o.want("y", op.y, {m, f});
  o.want("gate_up", op.gate_up, {m, 2 * f});
}

void check(const SwigluBackward& op, const Body& body) {
  const Operands o("swiglu_backward", body, op.dy);
  const std::int64_t m = o.extent("dy", op.dy, 0);
  const std::int64_t f = o.extent("dy", op.dy, 1);
  o.want("dy", op.dy, {m, f});
  o.want("gate_up", op.gate_up, {m, 2 * f});
  o.want("dgate_up", op.dgate_up, {m, 2 * f});
  o.maybe("y", op.y, {m, f});
}

void check(const Gelu& op, const Body& body) {
  const Operands o("gelu", body, op.x);
  o.want("x", op.x, op.x.shape);
  o.want("y", op.y, op.x.shape);
}

void check(const EmbeddingForward& op, const Body& body) {
  const Operands o("embedding_forward", body, op.table);
  const std::int64_t m = o.extent("y", op.y, 0);
  const std::int64_t c = o.extent("y", op.y, 1);
  o.want("y", op.y, {m, c});
  o.want("tokens", op.tokens, {m}, DType::kI32);
  o.want("table", op.table, {o.extent("table", op.table, 0), c});
  o.dropout(op.dropout, m, op.sequence);
  if (!op.positions) return;
  const std::int64_t positions = o.extent("positions", op.positions, 0);
  o.want("positions", op.positions, {positions, c});
  o.samples(m, op.sequence);
  o.holds(positions >= op.sequence,
          "a sequence of " + std::to_string(op.sequence) + " has positions " +
              to_text(op.positions.shape));
}

void check(const EmbeddingBackward& op, const Body& body) {
  const Operands o("embedding_backward", body, op.dy);
  const std::int64_t m = o.extent("dy", op.dy, 0);
  const std::int64_t c = o.extent("dy", op.dy, 1);
  o.want("dy", op.dy, {m, c});
  o.want("rows", op.rows, {m}, DType::kI32);
  o.want("drows", op.drows, {o.extent("drows", op.drows, 0), c}, DType::kF32);
  o.dropout(op.dropout, m, op.sequence);
  if (!op.dpositions) return;
  const std::int64_t positions = o.extent("dpositions", op.dpositions, 0);
  o.want("dpositions", op.dpositions, {positions, c}, DType::kF32);
  o.samples(m, op.sequence);
  o.holds(positions >= op.sequence,
          "a sequence of " + std::to_string(op.sequence) + " has dpositions " +
              to_text(op.dpositions.shape));
}

void check(const ScatterRows& op, const Body& body) {
  const Operands o("scatter_rows", body);
  const std::int64_t u = o.extent("drows", op.drows, 0);
  const std::int64_t c = o.extent("drows", op.drows, 1);
  o.want("drows", op.drows, {u, c});
  o.want("tokens", op.tokens, {u}, DType::kI32);
  o.want("dtable", op.dtable, {o.extent("dtable", op.dtable, 0), c});
}

void check(const HeadLoss& op, const Body& body) {
  const Operands o("head_loss", body, op.x);
  const std::int64_t m = o.extent("x", op.x, 0);
  const std::int64_t c = o.extent("x", op.x, 1);
  const std::int64_t v = o.extent("w", op.w, 0);
  o.holds(m > 0, "there are no tokens");
  o.want("x", op.x, {m, c});
  o.want("w", op.w, {v, c});
  o.want("targets", op.targets, {m}, DType::kI32);
  const std::int64_t rows = o.extent("logits", op.logits, 0);
  const std::int64_t row = o.extent("logits", op.logits, 1);
  o.want("logits", op.logits, {rows, row});
  o.holds(rows > 0 && row >= v, "logits " + to_text(op.logits.shape) +
                                    " holds no row of " + std::to_string(v));
  o.want("losses", op.losses, {m}, DType::kF32);
  o.want("loss", op.loss, {1}, DType::kF32);
  if (!op.dx) return;
  o.want("dx", op.dx, {m, c});
  o.want("dw", op.dw, {v, c}, DType::kF32);
  o.holds(op.dx.data != op.x.data, "dx may not be x");
}

void check(const SquaredNorm& op, const Body& body) {
  const Operands o("squared_norm", body);
  o.want("x", op.x, op.x.shape);
  o.holds(op.chunk > 0, "chunks of " + std::to_string(op.chunk) + " elements");
  o.want("partials", op.partials, {op.chunks()}, DType::kF64);
}

void check(const ClipFactor& op, const Body& body) {
  const Operands o("clip_factor", body);
  o.want("partials", op.partials, op.partials.shape, DType::kF64);
  o.want("norm", op.norm, {1});
  o.want("factor", op.factor, {1});
}

void check(const AdamW& op, const Body& body) {
  const Operands o("adamw", body);
  const Shape& shape = op.param.shape;
  o.want("param", op.param, shape);
  o.want("grad", op.grad, shape);
  o.want("m", op.m, shape);
  o.want("v", op.v, shape);
  o.maybe("copy", op.copy, shape, DType::kBF16);
  o.want("factor", op.factor, {1});
  const auto begin = op.decays.at.begin();
  o.holds(op.decays.count >= 0 && op.decays.count <= Switches::kMost &&
              std::is_sorted(begin, begin + op.decays.count),
          "decay is switched in at most " + std::to_string(Switches::kMost) +
              " places, in ascending order");
}

void check(const FillNormal& op, const Body& body) {
  const Operands o("fill_normal", body);
  o.want("x", op.x, op.x.shape);
  o.holds(op.first_element >= 0, "the first element is negative");
}

void check_add(const TensorView& x, const TensorView& y, const Body& body) {
  const Operands o("add", body, x);
  o.want("x", x, x.shape);
  o.want("y", y, x.shape);
}

void check_cast(const TensorView& x, const TensorView& y, const Body& body) {
  const Operands o("cast", body);
  o.holds(x.elements() == y.elements(),
          to_text(x.shape) + " does not fit " + to_text(y.shape));
}

void check_dropout(const TensorView& x, const TensorView& y,
                   const Dropout& dropout, std::int64_t sequence,
                   const Body& body) {
  const Operands o("dropout", body, x);
  const std::int64_t m = o.extent("x", x, 0);
  const std::int64_t c = o.extent("x", x, 1);
  o.want("x", x, {m, c});
  o.want("y", y, {m, c});
  o.dropout(dropout, m, sequence);
}

}  // namespace cairn
