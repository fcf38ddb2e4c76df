// Kernels written as plainly as they can be, in double, whatever the element
// types of the views: what tests measure the real bodies against. Everything
// runs at once; streams are ignored. There are no backward operations: a test
// differentiates the forward ones numerically.

#pragma once

#include "runtime/kernels.h"

namespace cairn {

class ReferenceKernels final : public Kernels {
 public:
  void linear_forward(Stream& stream, const LinearForward& op) override;
  void linear_backward_input(Stream& stream,
                             const LinearBackwardInput& op) override;
  void linear_backward_weight(Stream& stream,
                              const LinearBackwardWeight& op) override;
  void norm_forward(Stream& stream, const NormForward& op) override;
  void norm_backward(Stream& stream, const NormBackward& op) override;
  void attention_forward(Stream& stream, const AttentionForward& op) override;
  void attention_backward(Stream& stream, const AttentionBackward& op) override;
  void rotary(Stream& stream, const Rotary& op) override;
  void swiglu_forward(Stream& stream, const SwigluForward& op) override;
  void swiglu_backward(Stream& stream, const SwigluBackward& op) override;
  void gelu(Stream& stream, const Gelu& op) override;
  void embedding_forward(Stream& stream, const EmbeddingForward& op) override;
  void embedding_backward(Stream& stream, const EmbeddingBackward& op) override;
  void scatter_rows(Stream& stream, const ScatterRows& op) override;
  // The loss only: dx must be none.
  void head_loss(Stream& stream, const HeadLoss& op) override;
  void squared_norm(Stream& stream, const SquaredNorm& op) override;
  void clip_factor(Stream& stream, const ClipFactor& op) override;
  void adamw(Stream& stream, const AdamW& op) override;
  void fill_normal(Stream& stream, const FillNormal& op) override;
  void fill(Stream& stream, const TensorView& x, float value) override;
  void cast(Stream& stream, const TensorView& x, const TensorView& y) override;
  void add(Stream& stream, const TensorView& x, const TensorView& y) override;
  void dropout(Stream& stream, const TensorView& x, const TensorView& y,
               const Dropout& dropout, std::int64_t sequence) override;
  void all_finite(Stream& stream, const TensorView& x,
                  const TensorView& finite) override;
};

}  // namespace cairn
