#include "runtime/cpu/widening.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "runtime/checks/op_checks.h"
#include "runtime/operands.h"

namespace cairn {
namespace {

constexpr Body kBody{"the CPU", /*bf16=*/true};

// Floats of scratch are given out so that rows begin at cache lines.
constexpr std::int64_t kScratchAlignment = 16;

// Some bytes in bf16 that operands of one operation share, and their place in
// scratch.
struct Widened {
  TensorView narrow;
  std::int64_t first = 0;
  bool read = false;
  bool written = false;
};

bool is_narrow(const TensorView& view) { return view.dtype == DType::kBF16; }

// What is done as it is: bf16 is none of its operands, or its very point.
bool goes_straight_on(const KernelOp& op) {
  if (std::holds_alternative<Fill>(op) || std::holds_alternative<Cast>(op) ||
      std::holds_alternative<AdamW>(op)) {
    return true;
  }
  bool narrow = false;
  visit_operands(op, [&narrow](const ConstOperand& operand) {
    narrow = narrow || is_narrow(operand.view);
  });
  return !narrow;
}

struct Check {
  template <typename Op>
  void operator()(const Op& op) const {
    check(op, kBody);
  }
  void operator()(const Add& op) const { check_add(op.x, op.y, kBody); }
  void operator()(const DropoutRows& op) const {
    check_dropout(op.x, op.y, op.dropout, op.sequence, kBody);
  }
  // Of one operand, which may be of either type.
  void operator()(const AllFinite& /*op*/) const {}
  // These go straight on.
  void operator()(const Fill& /*op*/) const {}
  void operator()(const Cast& /*op*/) const {}
};

// The operation as others that are rounded one after the other.
std::vector<KernelOp> steps_of(const KernelOp& op) {
  if (const auto* norm = std::get_if<NormForward>(&op)) {
    if (!norm->branch) return {op};
    NormForward of_sum = *norm;
    of_sum.x = norm->sum;
    of_sum.branch = of_sum.sum = {};
    of_sum.dropout = {};
    return {op, of_sum};
  }
  if (const auto* linear = std::get_if<LinearForward>(&op)) {
    if (linear->activation == Activation::kNone) return {op};
    LinearForward product = *linear;
    product.activation = Activation::kNone;
    product.y = linear->pre ? linear->pre : linear->y;
    product.pre = {};
    return {product, Gelu{product.y, linear->y}};
  }
  return {op};
}

class WideningKernels final : public Kernels {
 public:
  explicit WideningKernels(std::unique_ptr<Kernels> f32)
      : f32_(std::move(f32)) {}

  void linear_forward(Stream& stream, const LinearForward& op) override {
    run(stream, op);
  }
  void linear_backward_input(Stream& stream,
                             const LinearBackwardInput& op) override {
    run(stream, op);
  }
  void linear_backward_weight(Stream& stream,
                              const LinearBackwardWeight& op) override {
    run(stream, op);
  }
  void norm_forward(Stream& stream, const NormForward& op) override {
    run(stream, op);
  }
  void norm_backward(Stream& stream, const NormBackward& op) override {
    run(stream, op);
  }
  void attention_forward(Stream& stream, const AttentionForward& op) override {
    run(stream, op);
  }
  void attention_backward(Stream& stream,
                          const AttentionBackward& op) override {
    run(stream, op);
  }
  void rotary(Stream& stream, const Rotary& op) override { run(stream, op); }
  void swiglu_forward(Stream& stream, const SwigluForward& op) override {
    run(stream, op);
  }
  void swiglu_backward(Stream& stream, const SwigluBackward& op) override {
    run(stream, op);
  }
  void gelu(Stream& stream, const Gelu& op) override { run(stream, op); }
  void embedding_forward(Stream& stream, const EmbeddingForward& op) override {
    run(stream, op);
  }
  void embedding_backward(Stream& stream,
                          const EmbeddingBackward& op) override {
    run(stream, op);
  }
  void scatter_rows(Stream& stream, const ScatterRows& op) override {
    run(stream, op);
  }
  void head_loss(Stream& stream, const HeadLoss& op) override {
    run(stream, op);
  }
  void squared_norm(Stream& stream, const SquaredNorm& op) override {
    run(stream, op);
  }
  void clip_factor(Stream& stream, const ClipFactor& op) override {
    run(stream, op);
  }
  void adamw(Stream& stream, const AdamW& op) override { run(stream, op); }
  void fill_normal(Stream& stream, const FillNormal& op) override {
    run(stream, op);
  }
  void fill(Stream& stream, const TensorView& x, float value) override {
    run(stream, Fill{x, value});
  }
  void cast(Stream& stream, const TensorView& x, const TensorView& y) override {
    run(stream, Cast{x, y});
  }
  void add(Stream& stream, const TensorView& x, const TensorView& y) override {
    run(stream, Add{x, y});
  }
  void dropout(Stream& stream, const TensorView& x, const TensorView& y,
               const Dropout& dropout, std::int64_t sequence) override {
    run(stream, DropoutRows{x, y, dropout, sequence});
  }
  void all_finite(Stream& stream, const TensorView& x,
                  const TensorView& finite) override {
    run(stream, AllFinite{x, finite});
  }

 private:
  void run(Stream& stream, const KernelOp& op) {
    if (goes_straight_on(op)) return enqueue(*f32_, stream, op);
    std::visit(Check{}, op);
    for (KernelOp& step : steps_of(op)) run_wide(stream, step);
  }

  void run_wide(Stream& stream, KernelOp& op) {
    std::vector<Widened> all = narrow_operands(op);
    reserve(all);
    visit_operands(op, [&](const Operand& operand) {
      if (!is_narrow(operand.view)) return;
      operand.view = wide(*find(all, operand.view), operand.view.shape);
    });
    for (const Widened& each : all) {
      if (!each.read) continue;
      f32_->cast(stream, each.narrow, wide(each, each.narrow.shape));
    }
    enqueue(*f32_, stream, op);
    for (const Widened& each : all) {
      if (!each.written) continue;
      f32_->cast(stream, wide(each, each.narrow.shape), each.narrow);
    }
    // Scratch lives until the stream has passed what used it.
    stream.enqueue_host([scratch = scratch_] {});
  }

  static std::vector<Widened>::iterator find(std::vector<Widened>& all,
                                             const TensorView& view) {
    return std::find_if(all.begin(), all.end(), [&view](const Widened& each) {
      return each.narrow.data == view.data;
    });
  }

  // Where they share bytes they have them from the beginning, and one place.
  static std::vector<Widened> narrow_operands(const KernelOp& op) {
    std::vector<Widened> all;
    visit_operands(op, [&all](const ConstOperand& operand) {
      if (!is_narrow(operand.view)) return;
      auto at = find(all, operand.view);
      if (at == all.end()) at = all.insert(at, {operand.view});
      if (operand.view.elements() > at->narrow.elements()) {
        at->narrow = operand.view;
      }
      at->read = at->read || operand.access != Access::kWrite;
      at->written = at->written || operand.access != Access::kRead;
    });
    return all;
  }

  // Gives each its place.
  void reserve(std::vector<Widened>& all) {
    std::int64_t floats = 0;
    for (Widened& each : all) {
      each.first = floats;
      floats += (each.narrow.elements() + kScratchAlignment - 1) /
                kScratchAlignment * kScratchAlignment;
    }
    if (floats <= floats_) return;
    scratch_ = std::make_shared<float[]>(static_cast<std::size_t>(floats));
    floats_ = floats;
  }

  TensorView wide(const Widened& each, const Shape& shape) const {
    return {reinterpret_cast<std::byte*>(scratch_.get() + each.first),
            DType::kF32, shape};
  }

  std::unique_ptr<Kernels> f32_;
  std::shared_ptr<float[]> scratch_;
  std::int64_t floats_ = 0;
};

}  // namespace

std::unique_ptr<Kernels> make_widening_kernels(std::unique_ptr<Kernels> f32) {
  return std::make_unique<WideningKernels>(std::move(f32));
}

}  // namespace cairn
