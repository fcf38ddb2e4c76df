// Kernels that compute nothing and are recorded.

#pragma once

#include "runtime/kernels.h"
#include "runtime/sim/sim_state.h"

namespace cairn {

class SimKernels final : public Kernels {
 public:
  SimKernels(SimState& state, int rank, const TensorView& workspace)
      : state_(state), rank_(rank), workspace_(workspace) {}

  void linear_forward(Stream& stream, const LinearForward& op) override {
    push(stream, op);
  }
  void linear_backward_input(Stream& stream,
                             const LinearBackwardInput& op) override {
    push(stream, op);
  }
  void linear_backward_weight(Stream& stream,
                              const LinearBackwardWeight& op) override {
    push(stream, op);
  }
  void norm_forward(Stream& stream, const NormForward& op) override {
    push(stream, op);
  }
  void norm_backward(Stream& stream, const NormBackward& op) override {
    push(stream, op);
  }
  void attention_forward(Stream& stream, const AttentionForward& op) override {
    push(stream, op);
  }
  void attention_backward(Stream& stream,
                          const AttentionBackward& op) override {
    push(stream, op);
  }
  void rotary(Stream& stream, const Rotary& op) override { push(stream, op); }
  void swiglu_forward(Stream& stream, const SwigluForward& op) override {
    push(stream, op);
  }
  void swiglu_backward(Stream& stream, const SwigluBackward& op) override {
    push(stream, op);
  }
  void gelu(Stream& stream, const Gelu& op) override { push(stream, op); }
  void embedding_forward(Stream& stream, const EmbeddingForward& op) override {
    push(stream, op);
  }
  void embedding_backward(Stream& stream,
                          const EmbeddingBackward& op) override {
    push(stream, op);
  }
  void scatter_rows(Stream& stream, const ScatterRows& op) override {
    push(stream, op);
  }
  void head_loss(Stream& stream, const HeadLoss& op) override {
    push(stream, op);
  }
  void squared_norm(Stream& stream, const SquaredNorm& op) override {
    push(stream, op);
  }
  void clip_factor(Stream& stream, const ClipFactor& op) override {
    push(stream, op);
  }
  void adamw(Stream& stream, const AdamW& op) override { push(stream, op); }
  void fill_normal(Stream& stream, const FillNormal& op) override {
    push(stream, op);
  }
  void fill(Stream& stream, const TensorView& x, float value) override {
    push(stream, Fill{x, value});
  }
  void cast(Stream& stream, const TensorView& x, const TensorView& y) override {
    push(stream, Cast{x, y});
  }
  void add(Stream& stream, const TensorView& x, const TensorView& y) override {
    push(stream, Add{x, y});
  }
  void dropout(Stream& stream, const TensorView& x, const TensorView& y,
               const Dropout& dropout, std::int64_t sequence) override {
    push(stream, DropoutRows{x, y, dropout, sequence});
  }
  void all_finite(Stream& stream, const TensorView& x,
                  const TensorView& finite) override {
    push(stream, AllFinite{x, finite});
  }

 private:
  void push(Stream& stream, const KernelOp& op) {
    state_.push_kernel(sim_native(stream, rank_), op, workspace_);
  }

  SimState& state_;
  int rank_;
  TensorView workspace_;
};

}  // namespace cairn
