// The transformer block behind make_gpt2_block and make_llama_block:
//
//   y = x + dropout(attention(norm1(x)))
//   z = y + dropout(mlp(norm2(y)))
//
// with LayerNorm, biases and GELU in GPT-2's style, and RMSNorm, rotary
// positions and SwiGLU in Llama's.

#pragma once

#include <string>
#include <vector>

#include "runtime/blocks.h"

namespace cairn {

struct TransformerStyle {
  NormKind norm = NormKind::kLayer;
  bool biases = true;
  bool rotary = false;
  bool gated = false;  // SwiGLU instead of GELU
};

class TransformerBlock final : public Block {
 public:
  TransformerBlock(std::string name, const BlockShape& shape,
                   const TransformerStyle& style);

  std::vector<ParameterSpec> parameters() const override;
  std::vector<GroupSpec> groups(const BatchShape& batch,
                                DType dtype) const override;
  Shape output_shape(const BatchShape& batch) const override {
    return {batch.tokens(), shape_.width};
  }
  Tensor forward(const Call& call, const Tensor& input,
                 Saved* saved) const override;
  void rebuild(const Call& call, Saved& saved) const override;
  Tensor backward_input(const Call& call, Tensor dy, Saved saved,
                        WeightWork& later) const override;
  double flops(const BatchShape& batch) const override;

 private:
  // The saved groups, in the order in which forward makes them.
  enum Group {
    kInput,      // x, the boundary
    kNorm1,      // norm1(x), with its statistics
    kQkv,        // packed q, k, v, after rotary
    kAttention,  // attention's output, with its log-sum-exp
    kResidual,   // y
    kNorm2,      // norm2(y), with its statistics
    kHidden,     // what the MLP's activation is applied to
    kActivated,  // what it gives
    kGroups
  };
  // The places where dropout is drawn.
  enum Site { kAttentionSite, kMlpSite };
  // The matrices and vectors, in the order of parameters().
  enum Slot {
    kNorm1Weight,
    kNorm1Bias,
    kQkvWeight,
    kQkvBias,
    kOutWeight,
    kOutBias,
    kNorm2Weight,
    kNorm2Bias,
    kUpWeight,
    kUpBias,
    kDownWeight,
    kDownBias,
    kSlots
  };

  void declare(Slot slot, const std::string& name, const Shape& shape,
               Init init, float deviation);
  TensorView parameter(const Call& call, Slot slot) const;
  TensorView gradient(const Call& call, Slot slot) const;

  AttentionShape attention_shape(const Call& call) const;
  std::int64_t attention_width() const;
  std::int64_t hidden_width() const;

  // Each makes its group from those before it.
  void make_norm1(const Call& call, Saved& saved) const;
  void make_qkv(const Call& call, Saved& saved) const;
  void make_attention(const Call& call, Saved& saved) const;
  void make_residual(const Call& call, Saved& saved) const;
  void make_norm2(const Call& call, Saved& saved) const;
  NormForward norm2_op(const Call& call, Saved& saved) const;
  void make_hidden(const Call& call, Saved& saved) const;
  void make_activated(const Call& call, Saved& saved) const;
  Tensor down(const Call& call, const Saved& saved) const;

  NormForward norm(const Call& call, Slot weight, Slot bias) const;
  // The steps of backward, each from the gradient the one before gave.
  Tensor backward_mlp(const Call& call, const Tensor& dy, Saved& saved,
                      WeightWork& later) const;
  Tensor backward_activation(const Call& call, const Tensor& dbranch,
                             Saved& saved, bool kept) const;
  Tensor backward_attention(const Call& call, const Tensor& dy, Saved& saved,
                            WeightWork& later) const;
  Tensor backward_norm(const Call& call, Slot weight, const Tensor& dnormed,
                       const Tensor& x, const Tensor& stats,
                       Tensor residual) const;
  void add_weight_work(const Call& call, Slot weight, const Tensor& dy,
                       const Tensor& x, WeightWork& later) const;
  bool sums_in_norm2(const Call& call) const;
  Tensor dropped(const Call& call, const Tensor& dy, int site) const;

  std::string name_;
  BlockShape shape_;
  TransformerStyle style_;
  std::vector<ParameterSpec> specs_;
  int index_[kSlots];  // of a slot among specs_, or -1
};

}  // namespace cairn
