// Kernels that compute nothing, so that the code that calls them can run
// without a device.

#pragma once

#include "runtime/kernels.h"

namespace cairn {

class SimKernels final : public Kernels {
 public:
  void linear_forward(Stream&, const LinearForward&) override {}
  void linear_backward_input(Stream&, const LinearBackwardInput&) override {}
  void linear_backward_weight(Stream&, const LinearBackwardWeight&) override {}
  void norm_forward(Stream&, const NormForward&) override {}
  void norm_backward(Stream&, const NormBackward&) override {}
  void attention_forward(Stream&, const AttentionForward&) override {}
  void attention_backward(Stream&, const AttentionBackward&) override {}
  void rotary(Stream&, const Rotary&) override {}
  void swiglu_forward(Stream&, const SwigluForward&) override {}
  void swiglu_backward(Stream&, const SwigluBackward&) override {}
  void gelu(Stream&, const Gelu&) override {}
  void embedding_forward(Stream&, const EmbeddingForward&) override {}
  void embedding_backward(Stream&, const EmbeddingBackward&) override {}
  void scatter_rows(Stream&, const ScatterRows&) override {}
  void head_loss(Stream&, const HeadLoss&) override {}
  void squared_norm(Stream&, const SquaredNorm&) override {}
  void clip_factor(Stream&, const ClipFactor&) override {}
  void adamw(Stream&, const AdamW&) override {}
  void fill_normal(Stream&, const FillNormal&) override {}
  void fill(Stream&, const TensorView&, float) override {}
  void cast(Stream&, const TensorView&, const TensorView&) override {}
  void add(Stream&, const TensorView&, const TensorView&) override {}
  void dropout(Stream&, const TensorView&, const TensorView&, const Dropout&,
               std::int64_t) override {}
  void all_finite(Stream&, const TensorView&, const TensorView&) override {}
};

}  // namespace cairn
