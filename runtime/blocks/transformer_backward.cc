#include <utility>

#include "runtime/attention_scratch.h"
#include "runtime/blocks/transformer.h"

namespace cairn {
Tensor TransformerBlock::backward_input(const Call& call, Tensor dy,
                                        Saved saved, WeightWork& later) const {
  Tensor dnormed = backward_mlp(call, dy, saved, later);
  Tensor dresidual =
      backward_norm(call, kNorm2Weight, dnormed, saved.groups[kResidual].tensor,
                    saved.groups[kNorm2].companion, std::move(dy));
  dnormed = {};
  saved.drop(kResidual);
  saved.drop(kNorm2);
  dnormed = backward_attention(call, dresidual, saved, later);
  return backward_norm(call, kNorm1Weight, dnormed, saved.groups[kInput].tensor,
                       saved.groups[kNorm1].companion, std::move(dresidual));
}

// The gradient of norm2's output.
Tensor TransformerBlock::backward_mlp(const Call& call, const Tensor& dy,
                                      Saved& saved, WeightWork& later) const {
  Tensor dbranch = dropped(call, dy, kMlpSite);
  const bool kept = saved.has(kActivated);
  if (kept) {
    add_weight_work(call, kDownWeight, dbranch, saved.groups[kActivated].tensor,
                    later);
    saved.drop(kActivated);
  }
  const Tensor dhidden = backward_activation(call, dbranch, saved, kept);
  if (!kept) {
    add_weight_work(call, kDownWeight, dbranch, saved.groups[kActivated].tensor,
                    later);
    saved.drop(kActivated);
  }
  dbranch = {};
  add_weight_work(call, kUpWeight, dhidden, saved.groups[kNorm2].tensor, later);
  saved.groups[kNorm2].tensor = {};
  Tensor dnormed =
      call.make(Owner::kTransients, {call.batch.tokens(), shape_.width});
  LinearBackwardInput op;
  op.dy = dhidden;
  op.w = parameter(call, kUpWeight);
  op.dx = dnormed;
  call.kernels.linear_backward_input(call.stream, op);
  return dnormed;
}

// Through the last product and the activation before it. SwiGLU's output, where
// it was not kept, is made again in the place of its gradient.
Tensor TransformerBlock::backward_activation(const Call& call,
                                             const Tensor& dbranch,
                                             Saved& saved, bool kept) const {
  const std::int64_t tokens = call.batch.tokens();
  const Tensor hidden = std::exchange(saved.groups[kHidden].tensor, {});
  LinearBackwardInput op;
  op.dy = dbranch;
  op.w = parameter(call, kDownWeight);
  Tensor dactivated = call.make(Owner::kTransients, {tokens, shape_.ffn});
  op.dx = dactivated;
  if (!style_.gated) {
    op.activation = Activation::kGelu;
    op.pre = hidden;
    op.dbias = gradient(call, kUpBias);
    op.accumulate = call.accumulate;
  }
  call.kernels.linear_backward_input(call.stream, op);
  if (!style_.gated) return dactivated;
  Tensor dhidden = hidden.sole_owner()
                       ? hidden
                       : call.make(Owner::kTransients, hidden.shape());
  const TensorView again = kept ? TensorView{} : dactivated;
  call.kernels.swiglu_backward(call.stream,
                               {dactivated, hidden, dhidden, again});
  if (!kept) saved.groups[kActivated].tensor = dactivated;
  return dhidden;
}

// The gradient of norm1's output.
Tensor TransformerBlock::backward_attention(const Call& call, const Tensor& dy,
                                            Saved& saved,
                                            WeightWork& later) const {
  const std::int64_t tokens = call.batch.tokens();
  Tensor dbranch = dropped(call, dy, kAttentionSite);
  SavedGroup attention = std::exchange(saved.groups[kAttention], {});
  add_weight_work(call, kOutWeight, dbranch, attention.tensor, later);
  Tensor dattention = call.make(Owner::kTransients, {tokens, shape_.width});
  LinearBackwardInput out;
  out.dy = dbranch;
  out.w = parameter(call, kOutWeight);
  out.dx = dattention;
  call.kernels.linear_backward_input(call.stream, out);
  dbranch = {};

  const Tensor qkv = std::exchange(saved.groups[kQkv].tensor, {});
  const Tensor dqkv = call.make(Owner::kTransients, qkv.shape());
  const AttentionShape shape = attention_shape(call);
  Tensor scratch;
  if (const std::int64_t n =
          attention_scratch(shape, call.dtype, call.deterministic);
      n > 0) {
    scratch = call.make(Owner::kWorkspace, DType::kF32, {n});
  }
  call.kernels.attention_backward(call.stream,
                                  {shape, dattention, qkv, attention.tensor,
                                   attention.companion, dqkv, scratch});
  scratch = {};
  dattention = {};
  if (style_.rotary) {
    call.kernels.rotary(call.stream, {attention_shape(call), dqkv,
                                      shape_.rope_theta, /*inverse=*/true});
  }
  add_weight_work(call, kQkvWeight, dqkv, saved.groups[kNorm1].tensor, later);
  saved.groups[kNorm1].tensor = {};
  Tensor dnormed = call.make(Owner::kTransients, {tokens, shape_.width});
  LinearBackwardInput in;
  in.dy = dqkv;
  in.w = parameter(call, kQkvWeight);
  in.dx = dnormed;
  call.kernels.linear_backward_input(call.stream, in);
  return dnormed;
}

// residual + the gradient through a norm, in place where nobody else holds the
// residual.
Tensor TransformerBlock::backward_norm(const Call& call, Slot weight,
                                       const Tensor& dnormed, const Tensor& x,
                                       const Tensor& stats,
                                       Tensor residual) const {
  Tensor dx = residual.sole_owner()
                  ? residual
                  : call.make(Owner::kTransients, residual.shape());
  const Tensor partials =
      call.make(Owner::kWorkspace, DType::kF32,
                norm_partials(call.batch.tokens(), shape_.width));
  NormBackward op;
  op.kind = style_.norm;
  op.dy = dnormed;
  op.x = x;
  op.stats = stats;
  op.weight = parameter(call, weight);
  op.residual = residual;
  op.dx = dx;
  op.dweight = gradient(call, weight);
  op.dbias = gradient(call, static_cast<Slot>(weight + 1));
  op.partials = partials;
  op.accumulate = call.accumulate;
  if (weight == kNorm2Weight && sums_in_norm2(call)) {
    op.residual_sums = gradient(call, kDownBias);
    op.dx_sums = gradient(call, kOutBias);
  }
  call.kernels.norm_backward(call.stream, op);
  return dx;
}

void TransformerBlock::add_weight_work(const Call& call, Slot weight,
                                       const Tensor& dy, const Tensor& x,
                                       WeightWork& later) const {
  const TensorView dw = gradient(call, weight);
  // backward_activation sums the gradient of a bias before GELU, norm2's those
  // of the biases of what is added to the residual.
  const bool summed = weight == kUpWeight
                          ? !style_.gated
                          : weight != kQkvWeight && sums_in_norm2(call);
  const TensorView dbias =
      summed ? TensorView{} : gradient(call, static_cast<Slot>(weight + 1));
  later.add([&kernels = call.kernels, &stream = call.stream, dy, x, dw, dbias,
             accumulate = call.accumulate] {
    kernels.linear_backward_weight(stream, {dy, x, dw, dbias, accumulate});
  });
}

// Whether the pass through norm2's gradient, which reads that of the down
// projection's output and makes that of attention's, sums both.
bool TransformerBlock::sums_in_norm2(const Call& call) const {
  return style_.biases && !call.dropout(shape_.dropout, kMlpSite);
}

// The gradient of what dropout was applied to; dy itself without dropout.
Tensor TransformerBlock::dropped(const Call& call, const Tensor& dy,
                                 int site) const {
  const Dropout dropout = call.dropout(shape_.dropout, site);
  if (!dropout) return dy;
  Tensor out = call.make(Owner::kTransients, dy.shape());
  call.kernels.dropout(call.stream, dy, out, dropout, call.batch.sequence);
  return out;
}

}  // namespace cairn
