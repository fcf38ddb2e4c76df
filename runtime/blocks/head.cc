#include <utility>

#include "runtime/blocks.h"

namespace cairn {
namespace {

// loss = mean cross-entropy of softmax(norm(x) w^T) against the targets.
//
// In training, forward only normalises: logits, loss and both gradients are
// made chunk by chunk in backward, so that logits are computed once and never
// held. Both halves of backward are therefore one.
class HeadBlock final : public Block {
 public:
  explicit HeadBlock(HeadShape shape) : shape_(std::move(shape)) {}

  std::vector<ParameterSpec> parameters() const override {
    std::vector<ParameterSpec> specs{
        {"head.norm.weight", {shape_.width}, Init::kZeros, 0, false}};
    if (biased()) {
      specs.push_back(
          {"head.norm.bias", {shape_.width}, Init::kZeros, 0, false});
    }
    specs.push_back({shape_.weight_name,
                     {shape_.vocab, shape_.width},
                     Init::kNormal,
                     shape_.deviation,
                     /*by_rows=*/false});
    return specs;
  }

  std::vector<GroupSpec> groups(const BatchShape& batch,
                                DType dtype) const override {
    const auto tokens = static_cast<std::size_t>(batch.tokens());
    const std::size_t row =
        tokens * static_cast<std::size_t>(shape_.width) * size_of(dtype);
    return {{"input", Remake::kNever, row},
            {"norm", Remake::kElementwise, row + 2 * tokens * sizeof(float)}};
  }

  Shape output_shape(const BatchShape& /*batch*/) const override { return {}; }

  Tensor forward(const Call& call, const Tensor& input,
                 Saved* saved) const override {
    Saved own;
    Saved& all = saved != nullptr ? *saved : own;
    all.groups.assign(kGroups, {});
    all.groups[kInput].tensor = input;
    rebuild(call, all);
    if (call.logits) {
      write_logits(call, all.groups[kNorm].tensor);
    } else if (saved == nullptr) {
      run_head(call, all.groups[kNorm].tensor, {});
    }
    return {};
  }

  void rebuild(const Call& call, Saved& saved) const override {
    if (saved.has(kNorm)) return;
    const std::int64_t tokens = call.batch.tokens();
    SavedGroup& group = saved.groups[kNorm];
    group.tensor = call.make(Owner::kActivations, {tokens, shape_.width});
    group.companion = call.make(Owner::kActivations, DType::kF32, {2, tokens});
    NormForward op;
    op.kind = shape_.norm;
    op.epsilon = shape_.norm_epsilon;
    op.x = saved.groups[kInput].tensor;
    op.weight = call.parameters[0];
    if (biased()) op.bias = call.parameters[1];
    op.y = group.tensor;
    op.stats = group.companion;
    call.kernels.norm_forward(call.stream, op);
  }

  Tensor backward_input(const Call& call, Tensor /*dy*/, Saved saved,
                        WeightWork& /*later*/) const override {
    const Tensor& x = saved.groups[kInput].tensor;
    const SavedGroup& normed = saved.groups[kNorm];
    Tensor dnormed = call.make(Owner::kTransients, x.shape());
    run_head(call, normed.tensor, dnormed);
    const Tensor partials =
        call.make(Owner::kWorkspace, DType::kF32,
                  norm_partials(call.batch.tokens(), shape_.width));
    NormBackward op;
    op.kind = shape_.norm;
    op.dy = dnormed;
    op.x = x;
    op.stats = normed.companion;
    op.weight = call.parameters[0];
    op.dx = dnormed;
    op.dweight = call.gradients[0];
    if (biased()) op.dbias = call.gradients[1];
    op.partials = partials;
    op.accumulate = call.accumulate;
    call.kernels.norm_backward(call.stream, op);
    return dnormed;
  }

  double flops(const BatchShape& batch) const override {
    return 2.0 * static_cast<double>(batch.tokens()) *
           static_cast<double>(shape_.vocab) *
           static_cast<double>(shape_.width);
  }

 private:
  enum Group { kInput, kNorm, kGroups };

  bool biased() const { return shape_.norm == NormKind::kLayer; }
  int weight() const { return biased() ? 2 : 1; }

  // With `dx`, the gradients too.
  void run_head(const Call& call, const Tensor& x, const TensorView& dx) const {
    const std::int64_t tokens = call.batch.tokens();
    const Tensor logits = call.make(
        Owner::kWorkspace, head_logits(tokens, shape_.vocab, call.dtype));
    const Tensor losses =
        call.make(Owner::kWorkspace, call.loss.dtype, {tokens});
    HeadLoss op;
    op.x = x;
    op.w = call.parameters[weight()];
    op.targets = call.targets;
    op.logits = logits;
    op.losses = losses;
    op.loss = call.loss;
    op.dx = dx;
    if (dx) op.dw = call.gradients[weight()];
    op.scale = call.loss_scale;
    op.accumulate = call.accumulate;
    call.kernels.head_loss(call.stream, op);
  }

  void write_logits(const Call& call, const Tensor& x) const {
    const BatchShape& batch = call.batch;
    for (std::int64_t s = 0; s < batch.samples; ++s) {
      const std::int64_t last = (s + 1) * batch.sequence - 1;
      LinearForward op;
      op.x = x.view().part(last * shape_.width, {1, shape_.width});
      op.w = call.parameters[weight()];
      op.y = call.logits.part(s * shape_.vocab, {1, shape_.vocab});
      call.kernels.linear_forward(call.stream, op);
    }
  }

  HeadShape shape_;
};

}  // namespace

std::unique_ptr<Block> make_head(const HeadShape& shape) {
  return std::make_unique<HeadBlock>(shape);
}

}  // namespace cairn
