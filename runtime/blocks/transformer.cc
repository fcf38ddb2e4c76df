#include "runtime/blocks/transformer.h"

#include <utility>

namespace cairn {
TransformerBlock::TransformerBlock(std::string name, const BlockShape& shape,
                                   const TransformerStyle& style)
    : name_(std::move(name)), shape_(shape), style_(style) {
  for (int& index : index_) index = -1;
  const std::int64_t c = shape.width;
  const std::int64_t head_size = c / shape.heads;
  const std::int64_t qkv = (shape.heads + 2 * shape.kv_heads) * head_size;
  const float deviation = shape.deviation;
  const float residual = shape.residual_deviation;
  declare(kNorm1Weight, "norm1.weight", {c}, Init::kZeros, 0);
  declare(kNorm1Bias, "norm1.bias", {c}, Init::kZeros, 0);
  declare(kQkvWeight, "qkv.weight", {qkv, c}, Init::kNormal, deviation);
  declare(kQkvBias, "qkv.bias", {qkv}, Init::kZeros, 0);
  declare(kOutWeight, "attention_out.weight", {c, c}, Init::kNormal, residual);
  declare(kOutBias, "attention_out.bias", {c}, Init::kZeros, 0);
  declare(kNorm2Weight, "norm2.weight", {c}, Init::kZeros, 0);
  declare(kNorm2Bias, "norm2.bias", {c}, Init::kZeros, 0);
  const char* up = style.gated ? "gate_up" : "up";
  declare(kUpWeight, std::string(up) + ".weight", {hidden_width(), c},
          Init::kNormal, deviation);
  declare(kUpBias, std::string(up) + ".bias", {hidden_width()}, Init::kZeros,
          0);
  declare(kDownWeight, "down.weight", {c, shape.ffn}, Init::kNormal, residual);
  declare(kDownBias, "down.bias", {c}, Init::kZeros, 0);
}

void TransformerBlock::declare(Slot slot, const std::string& name,
                               const Shape& shape, Init init, float deviation) {
  if (name.ends_with(".bias") && !style_.biases) return;
  index_[slot] = static_cast<int>(specs_.size());
  specs_.push_back({name_ + "." + name, shape, init, deviation, false});
}

std::vector<ParameterSpec> TransformerBlock::parameters() const {
  return specs_;
}

TensorView TransformerBlock::parameter(const Call& call, Slot slot) const {
  return index_[slot] < 0 ? TensorView{} : call.parameters[index_[slot]];
}

TensorView TransformerBlock::gradient(const Call& call, Slot slot) const {
  return index_[slot] < 0 ? TensorView{} : call.gradients[index_[slot]];
}

AttentionShape TransformerBlock::attention_shape(const Call& call) const {
  return {call.batch.samples, call.batch.sequence, shape_.heads,
          shape_.kv_heads, shape_.width / shape_.heads};
}

std::int64_t TransformerBlock::attention_width() const {
  return (shape_.heads + 2 * shape_.kv_heads) * (shape_.width / shape_.heads);
}

std::int64_t TransformerBlock::hidden_width() const {
  return style_.gated ? 2 * shape_.ffn : shape_.ffn;
}

std::vector<GroupSpec> TransformerBlock::groups(const BatchShape& batch,
                                                DType dtype) const {
  const auto tokens = static_cast<std::size_t>(batch.tokens());
  const auto row = [&](std::int64_t width) {
    return tokens * static_cast<std::size_t>(width) * size_of(dtype);
  };
  const std::size_t stats = 2 * tokens * sizeof(float);
  const std::size_t lse =
      tokens * static_cast<std::size_t>(shape_.heads) * sizeof(float);
  const std::int64_t c = shape_.width;
  return {{"input", Remake::kNever, row(c)},
          {"norm1", Remake::kElementwise, row(c) + stats},
          {"qkv", Remake::kMatrix, row(attention_width())},
          {"attention", Remake::kAttention, row(c) + lse},
          {"residual", Remake::kMatrix, row(c)},
          {"norm2", Remake::kElementwise, row(c) + stats},
          {"hidden", Remake::kMatrix, row(hidden_width())},
          {"activated", Remake::kElementwise, row(shape_.ffn)}};
}

NormForward TransformerBlock::norm(const Call& call, Slot weight,
                                   Slot bias) const {
  NormForward op;
  op.kind = style_.norm;
  op.epsilon = shape_.norm_epsilon;
  op.weight = parameter(call, weight);
  op.bias = parameter(call, bias);
  op.sequence = call.batch.sequence;
  return op;
}

void TransformerBlock::make_norm1(const Call& call, Saved& saved) const {
  const std::int64_t tokens = call.batch.tokens();
  SavedGroup& group = saved.groups[kNorm1];
  group.tensor = call.make(Owner::kActivations, {tokens, shape_.width});
  group.companion = call.make(Owner::kActivations, DType::kF32, {2, tokens});
  NormForward op = norm(call, kNorm1Weight, kNorm1Bias);
  op.x = saved.groups[kInput].tensor;
  op.y = group.tensor;
  op.stats = group.companion;
  call.kernels.norm_forward(call.stream, op);
}

void TransformerBlock::make_qkv(const Call& call, Saved& saved) const {
  Tensor& qkv = saved.groups[kQkv].tensor;
  qkv =
      call.make(Owner::kActivations, {call.batch.tokens(), attention_width()});
  LinearForward op;
  op.x = saved.groups[kNorm1].tensor;
  op.w = parameter(call, kQkvWeight);
  op.bias = parameter(call, kQkvBias);
  op.y = qkv;
  call.kernels.linear_forward(call.stream, op);
  if (style_.rotary) {
    call.kernels.rotary(call.stream, {attention_shape(call), qkv,
                                      shape_.rope_theta, /*inverse=*/false});
  }
}

void TransformerBlock::make_attention(const Call& call, Saved& saved) const {
  SavedGroup& group = saved.groups[kAttention];
  const BatchShape& batch = call.batch;
  group.tensor = call.make(Owner::kActivations, {batch.tokens(), shape_.width});
  group.companion = call.make(Owner::kActivations, DType::kF32,
                              {batch.samples, shape_.heads, batch.sequence});
  call.kernels.attention_forward(
      call.stream, {attention_shape(call), saved.groups[kQkv].tensor,
                    group.tensor, group.companion});
}

// Makes norm2 as well. The product adds the input as it goes, but for dropout,
// which products do not do on their way: then the sum and its norm are one
// pass. Without it the branch's memory is taken all the same, for as long as
// the groups are: best fit puts the block's output there, before what is
// dropped.
void TransformerBlock::make_residual(const Call& call, Saved& saved) const {
  const Shape shape{call.batch.tokens(), shape_.width};
  Tensor branch = call.make(Owner::kTransients, shape);
  Tensor& sum = saved.groups[kResidual].tensor;
  sum = call.make(Owner::kActivations, shape);
  NormForward op = norm2_op(call, saved);
  op.dropout = call.dropout(shape_.dropout, kAttentionSite);
  LinearForward out;
  out.x = saved.groups[kAttention].tensor;
  out.w = parameter(call, kOutWeight);
  out.bias = parameter(call, kOutBias);
  if (op.dropout) {
    out.y = branch;
    op.x = saved.groups[kInput].tensor;
    op.branch = branch;
    op.sum = sum;
  } else {
    branch = {};
    out.residual = saved.groups[kInput].tensor;
    out.y = sum;
  }
  call.kernels.linear_forward(call.stream, out);
  call.kernels.norm_forward(call.stream, op);
}

// norm2 of y, with memory for what it gives.
NormForward TransformerBlock::norm2_op(const Call& call, Saved& saved) const {
  const std::int64_t tokens = call.batch.tokens();
  SavedGroup& group = saved.groups[kNorm2];
  group.tensor = call.make(Owner::kActivations, {tokens, shape_.width});
  group.companion = call.make(Owner::kActivations, DType::kF32, {2, tokens});
  NormForward op = norm(call, kNorm2Weight, kNorm2Bias);
  op.x = saved.groups[kResidual].tensor;
  op.y = group.tensor;
  op.stats = group.companion;
  return op;
}

void TransformerBlock::make_norm2(const Call& call, Saved& saved) const {
  call.kernels.norm_forward(call.stream, norm2_op(call, saved));
}

// Makes what the activation gives as well, where one product does both.
void TransformerBlock::make_hidden(const Call& call, Saved& saved) const {
  const std::int64_t tokens = call.batch.tokens();
  Tensor& hidden = saved.groups[kHidden].tensor;
  hidden = call.make(Owner::kActivations, {tokens, hidden_width()});
  LinearForward op;
  op.x = saved.groups[kNorm2].tensor;
  op.w = parameter(call, kUpWeight);
  op.bias = parameter(call, kUpBias);
  op.y = hidden;
  if (!style_.gated) {
    Tensor& activated = saved.groups[kActivated].tensor;
    activated = call.make(Owner::kActivations, {tokens, shape_.ffn});
    op.activation = Activation::kGelu;
    op.pre = hidden;
    op.y = activated;
  }
  call.kernels.linear_forward(call.stream, op);
}

void TransformerBlock::make_activated(const Call& call, Saved& saved) const {
  const Tensor& hidden = saved.groups[kHidden].tensor;
  Tensor& activated = saved.groups[kActivated].tensor;
  activated = call.make(Owner::kActivations, {call.batch.tokens(), shape_.ffn});
  if (style_.gated) {
    call.kernels.swiglu_forward(call.stream, {hidden, activated});
  } else {
    call.kernels.gelu(call.stream, {hidden, activated});
  }
}

Tensor TransformerBlock::down(const Call& call, const Saved& saved) const {
  Tensor out =
      call.make(Owner::kActivations, {call.batch.tokens(), shape_.width});
  LinearForward op;
  op.x = saved.groups[kActivated].tensor;
  op.w = parameter(call, kDownWeight);
  op.bias = parameter(call, kDownBias);
  op.y = out;
  op.residual = saved.groups[kResidual].tensor;
  op.dropout = call.dropout(shape_.dropout, kMlpSite);
  op.sequence = call.batch.sequence;
  call.kernels.linear_forward(call.stream, op);
  return out;
}

Tensor TransformerBlock::forward(const Call& call, const Tensor& input,
                                 Saved* saved) const {
  Saved own;
  Saved& all = saved != nullptr ? *saved : own;
  all.groups.assign(kGroups, {});
  all.groups[kInput].tensor = input;
  const bool keep = saved != nullptr;
  make_norm1(call, all);
  make_qkv(call, all);
  if (!keep) all.drop(kNorm1);
  make_attention(call, all);
  if (!keep) all.drop(kQkv);
  make_residual(call, all);
  if (!keep) all.drop(kAttention);
  make_hidden(call, all);
  if (!keep) all.drop(kNorm2);
  if (!all.has(kActivated)) make_activated(call, all);
  if (!keep) all.drop(kHidden);
  return down(call, all);
}

void TransformerBlock::rebuild(const Call& call, Saved& saved) const {
  if (!saved.has(kNorm1)) make_norm1(call, saved);
  if (!saved.has(kQkv)) make_qkv(call, saved);
  if (!saved.has(kAttention)) make_attention(call, saved);
  if (!saved.has(kResidual)) make_residual(call, saved);
  if (!saved.has(kNorm2)) make_norm2(call, saved);
  if (!saved.has(kHidden)) make_hidden(call, saved);
  // Backward makes SwiGLU's output on its way.
  if (!saved.has(kActivated) && !style_.gated) make_activated(call, saved);
}

double TransformerBlock::flops(const BatchShape& batch) const {
  const auto tokens = static_cast<double>(batch.tokens());
  const auto c = static_cast<double>(shape_.width);
  const auto ffn = static_cast<double>(shape_.ffn);
  const double matrices = c * static_cast<double>(attention_width()) + c * c +
                          c * static_cast<double>(hidden_width()) + ffn * c;
  // Scores and their product with the values, each at half the square.
  const double attention = 2.0 * c * static_cast<double>(batch.sequence);
  return tokens * (2.0 * matrices + attention);
}

std::unique_ptr<Block> make_gpt2_block(const std::string& name,
                                       const BlockShape& shape) {
  return std::make_unique<TransformerBlock>(name, shape, TransformerStyle{});
}

std::unique_ptr<Block> make_llama_block(const std::string& name,
                                        const BlockShape& shape) {
  TransformerStyle style;
  style.norm = NormKind::kRms;
  style.biases = false;
  style.rotary = true;
  style.gated = true;
  return std::make_unique<TransformerBlock>(name, shape, style);
}

}  // namespace cairn
