#include "runtime/operands.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <type_traits>

namespace cairn {
namespace {

constexpr Access kRead = Access::kRead;
constexpr Access kWrite = Access::kWrite;
constexpr Access kReadWrite = Access::kReadWrite;

// Gives what is there of an operation's operands to a visitor.
class Lister {
 public:
  explicit Lister(const std::function<void(const Operand&)>& visit)
      : visit_(visit) {}

  const Lister& operator()(const char* name, TensorView& view,
                           Access access) const {
    if (view) visit_({name, view, access});
    return *this;
  }

 private:
  const std::function<void(const Operand&)>& visit_;
};

Access sum_into(bool accumulate) { return accumulate ? kReadWrite : kWrite; }

void list(const Lister& l, LinearForward& op) {
  l("x", op.x, kRead)("w", op.w, kRead)("bias", op.bias, kRead);
  l("residual", op.residual, kRead)("y", op.y, kWrite)("pre", op.pre, kWrite);
}

void list(const Lister& l, LinearBackwardInput& op) {
  l("dy", op.dy, kRead)("w", op.w, kRead)("pre", op.pre, kRead);
  l("dx", op.dx, kWrite)("dbias", op.dbias, sum_into(op.accumulate));
}

void list(const Lister& l, LinearBackwardWeight& op) {
  l("dy", op.dy, kRead)("x", op.x, kRead);
  l("dw", op.dw, sum_into(op.accumulate));
  l("dbias", op.dbias, sum_into(op.accumulate));
}

void list(const Lister& l, NormForward& op) {
  l("x", op.x, kRead)("branch", op.branch, kRead)("sum", op.sum, kWrite);
  l("weight", op.weight, kRead)("bias", op.bias, kRead);
  l("y", op.y, kWrite)("stats", op.stats, kWrite);
}

void list(const Lister& l, NormBackward& op) {
  l("dy", op.dy, kRead)("x", op.x, kRead)("stats", op.stats, kRead);
  l("weight", op.weight, kRead)("residual", op.residual, kRead);
  l("dx", op.dx, kWrite)("partials", op.partials, kWrite);
  l("dweight", op.dweight, sum_into(op.accumulate));
  l("dbias", op.dbias, sum_into(op.accumulate));
  l("residual_sums", op.residual_sums, sum_into(op.accumulate));
  l("dx_sums", op.dx_sums, sum_into(op.accumulate));
}

void list(const Lister& l, AttentionForward& op) {
  l("qkv", op.qkv, kRead)("out", op.out, kWrite)("lse", op.lse, kWrite);
}

void list(const Lister& l, AttentionBackward& op) {
  l("dout", op.dout, kRead)("qkv", op.qkv, kRead)("out", op.out, kRead);
  l("lse", op.lse, kRead)("dqkv", op.dqkv, kWrite);
  l("scratch", op.scratch, kWrite);
}

void list(const Lister& l, Rotary& op) { l("qkv", op.qkv, kReadWrite); }

void list(const Lister& l, SwigluForward& op) {
  l("gate_up", op.gate_up, kRead)("y", op.y, kWrite);
}

void list(const Lister& l, SwigluBackward& op) {
  l("dy", op.dy, kRead)("gate_up", op.gate_up, kRead);
  l("dgate_up", op.dgate_up, kWrite)("y", op.y, kWrite);
}

void list(const Lister& l, Gelu& op) { l("x", op.x, kRead)("y", op.y, kWrite); }

void list(const Lister& l, EmbeddingForward& op) {
  l("tokens", op.tokens, kRead)("table", op.table, kRead);
  l("positions", op.positions, kRead)("y", op.y, kWrite);
}

void list(const Lister& l, EmbeddingBackward& op) {
  l("rows", op.rows, kRead)("dy", op.dy, kReadWrite);
  l("drows", op.drows, kReadWrite);
  l("dpositions", op.dpositions, sum_into(op.accumulate));
}

void list(const Lister& l, ScatterRows& op) {
  l("drows", op.drows, kRead)("tokens", op.tokens, kRead);
  l("dtable", op.dtable, sum_into(op.accumulate));
}

void list(const Lister& l, HeadLoss& op) {
  l("x", op.x, kRead)("w", op.w, kRead)("targets", op.targets, kRead);
  l("logits", op.logits, kWrite)("losses", op.losses, kWrite);
  l("loss", op.loss, kWrite)("dx", op.dx, kWrite);
  l("dw", op.dw, sum_into(op.accumulate));
}

void list(const Lister& l, SquaredNorm& op) {
  l("x", op.x, kRead)("partials", op.partials, kWrite);
}

void list(const Lister& l, ClipFactor& op) {
  l("partials", op.partials, kRead)("norm", op.norm, kWrite);
  l("factor", op.factor, kReadWrite);
}

void list(const Lister& l, AdamW& op) {
  l("param", op.param, kReadWrite)("grad", op.grad, kRead);
  l("m", op.m, kReadWrite)("v", op.v, kReadWrite);
  // Left alone when the factor is NaN.
  l("copy", op.copy, kReadWrite)("factor", op.factor, kRead);
}

void list(const Lister& l, FillNormal& op) { l("x", op.x, kWrite); }

void list(const Lister& l, Fill& op) { l("x", op.x, kWrite); }

void list(const Lister& l, Cast& op) { l("x", op.x, kRead)("y", op.y, kWrite); }

void list(const Lister& l, Add& op) {
  l("x", op.x, kRead)("y", op.y, kReadWrite);
}

void list(const Lister& l, DropoutRows& op) {
  l("x", op.x, kRead)("y", op.y, kWrite);
}

void list(const Lister& l, AllFinite& op) {
  l("x", op.x, kRead)("finite", op.finite, kWrite);
}

// Multiply-adds of a product count twice.
double product(const TensorView& rows, const TensorView& w) {
  return 2.0 * static_cast<double>(rows.shape[0]) *
         static_cast<double>(w.elements());
}

double attention(const AttentionShape& s, double products) {
  const auto sequence = static_cast<double>(s.sequence);
  return products * static_cast<double>(s.samples * s.heads * s.head_size) *
         sequence * sequence;
}

double flops_of(const LinearForward& op) { return product(op.x, op.w); }
double flops_of(const LinearBackwardInput& op) { return product(op.dy, op.w); }
double flops_of(const LinearBackwardWeight& op) {
  return product(op.dy, op.dw);
}
double flops_of(const AttentionForward& op) { return attention(op.shape, 2); }
double flops_of(const AttentionBackward& op) { return attention(op.shape, 5); }
double flops_of(const HeadLoss& op) {
  return (op.dx ? 3.0 : 1.0) * product(op.x, op.w);
}
template <typename Op>
double flops_of(const Op& /*op*/) {
  return 0.0;
}

// Calls the verb of Kernels that an operation belongs to.
struct Enqueue {
  Kernels& k;
  Stream& s;

  void operator()(const LinearForward& op) const { k.linear_forward(s, op); }
  void operator()(const LinearBackwardInput& op) const {
    k.linear_backward_input(s, op);
  }
  void operator()(const LinearBackwardWeight& op) const {
    k.linear_backward_weight(s, op);
  }
  void operator()(const NormForward& op) const { k.norm_forward(s, op); }
  void operator()(const NormBackward& op) const { k.norm_backward(s, op); }
  void operator()(const AttentionForward& op) const {
    k.attention_forward(s, op);
  }
  void operator()(const AttentionBackward& op) const {
    k.attention_backward(s, op);
  }
  void operator()(const Rotary& op) const { k.rotary(s, op); }
  void operator()(const SwigluForward& op) const { k.swiglu_forward(s, op); }
  void operator()(const SwigluBackward& op) const { k.swiglu_backward(s, op); }
  void operator()(const Gelu& op) const { k.gelu(s, op); }
  void operator()(const EmbeddingForward& op) const {
    k.embedding_forward(s, op);
  }
  void operator()(const EmbeddingBackward& op) const {
    k.embedding_backward(s, op);
  }
  void operator()(const ScatterRows& op) const { k.scatter_rows(s, op); }
  void operator()(const HeadLoss& op) const { k.head_loss(s, op); }
  void operator()(const SquaredNorm& op) const { k.squared_norm(s, op); }
  void operator()(const ClipFactor& op) const { k.clip_factor(s, op); }
  void operator()(const AdamW& op) const { k.adamw(s, op); }
  void operator()(const FillNormal& op) const { k.fill_normal(s, op); }
  void operator()(const Fill& op) const { k.fill(s, op.x, op.value); }
  void operator()(const Cast& op) const { k.cast(s, op.x, op.y); }
  void operator()(const Add& op) const { k.add(s, op.x, op.y); }
  void operator()(const DropoutRows& op) const {
    k.dropout(s, op.x, op.y, op.dropout, op.sequence);
  }
  void operator()(const AllFinite& op) const {
    k.all_finite(s, op.x, op.finite);
  }
};

// Bytes of operands that an operation passes over: rows not looked up.
double untouched(const EmbeddingForward& op) {
  const auto table = static_cast<double>(op.table.bytes());
  return table - std::min(table, static_cast<double>(op.y.bytes()));
}
double untouched(const ScatterRows& op) {
  if (!op.accumulate) return 0.0;
  const auto table = static_cast<double>(op.dtable.bytes());
  return 2.0 * (table - std::min(table, static_cast<double>(op.drows.bytes())));
}
template <typename Op>
double untouched(const Op& /*op*/) {
  return 0.0;
}

// The settings that matter to an operation's time, each led by a space.
template <typename Op>
void append_settings(std::string& key, const Op& op) {
  if constexpr (requires { op.activation; }) {
    if (op.activation != Activation::kNone) key += " gelu";
  }
  if constexpr (requires { op.kind; }) {
    key += op.kind == NormKind::kRms ? " rms" : " layer";
  }
  if constexpr (requires { op.dropout; }) {
    if (op.dropout) key += " dropout";
  }
  if constexpr (requires { op.accumulate; }) {
    if (op.accumulate) key += " accumulate";
  }
  if constexpr (std::is_same_v<decltype(op), const Rotary&> ||
                std::is_same_v<decltype(op), const AttentionForward&> ||
                std::is_same_v<decltype(op), const AttentionBackward&>) {
    const AttentionShape& s = op.shape;
    key += " heads=" + std::to_string(s.heads) + "/" +
           std::to_string(s.kv_heads) + " of " + std::to_string(s.head_size) +
           " samples=" + std::to_string(s.samples);
  }
}

struct Named {
  const std::byte* data;
  const char* name;
};

// "=f32[4, 8]", with "@y" behind it where an operand before has its address.
class KeyWriter {
 public:
  explicit KeyWriter(std::string& key) : key_(key) {}

  void operator()(const ConstOperand& operand) {
    const TensorView& view = operand.view;
    key_ += ' ';
    key_ += operand.name;
    key_ += '=';
    key_ += name_of(view.dtype);
    key_ += to_text(view.shape);
    for (int i = 0; i < count_; ++i) {
      if (seen_[i].data != view.data) continue;
      key_ += '@';
      key_ += seen_[i].name;
      return;
    }
    seen_[count_++] = {view.data, operand.name};
  }

 private:
  static constexpr std::size_t kMost = 11;  // operands of norm_backward

  std::string& key_;
  std::array<Named, kMost> seen_;
  int count_ = 0;
};

}  // namespace

void visit_operands(KernelOp& op,
                    const std::function<void(const Operand&)>& visit) {
  const Lister lister(visit);
  std::visit([&](auto& which) { list(lister, which); }, op);
}

void visit_operands(const KernelOp& op,
                    const std::function<void(const ConstOperand&)>& visit) {
  // Listing changes nothing, and the visitor is shown constant views.
  visit_operands(const_cast<KernelOp&>(op), [&visit](const Operand& operand) {
    visit({operand.name, operand.view, operand.access});
  });
}

const char* name_of(const KernelOp& op) {
  static constexpr std::array<const char*, std::variant_size_v<KernelOp>>
      kNames = {"linear_forward",
                "linear_backward_input",
                "linear_backward_weight",
                "norm_forward",
                "norm_backward",
                "attention_forward",
                "attention_backward",
                "rotary",
                "swiglu_forward",
                "swiglu_backward",
                "gelu",
                "embedding_forward",
                "embedding_backward",
                "scatter_rows",
                "head_loss",
                "squared_norm",
                "clip_factor",
                "adamw",
                "fill_normal",
                "fill",
                "cast",
                "add",
                "dropout",
                "all_finite"};
  return kNames[op.index()];
}

void enqueue(Kernels& kernels, Stream& stream, const KernelOp& op) {
  std::visit(Enqueue{kernels, stream}, op);
}

double flops(const KernelOp& op) {
  return std::visit([](const auto& which) { return flops_of(which); }, op);
}

double bytes_moved(const KernelOp& op) {
  double sum = 0.0;
  visit_operands(op, [&sum](const ConstOperand& operand) {
    const auto bytes = static_cast<double>(operand.view.bytes());
    sum += operand.access == Access::kReadWrite ? 2.0 * bytes : bytes;
  });
  return sum -
         std::visit([](const auto& which) { return untouched(which); }, op);
}

std::string key_of(const KernelOp& op) {
  std::string key = name_of(op);
  KeyWriter writer(key);
  visit_operands(op,
                 [&writer](const ConstOperand& operand) { writer(operand); });
  std::visit([&key](const auto& which) { append_settings(key, which); }, op);
  return key;
}

}  // namespace cairn
