#include "tests/runtime/op_samples.h"

#include <algorithm>

namespace cairn {
namespace {

constexpr std::int64_t kTokens = 8;
constexpr std::int64_t kSequence = 4;
constexpr std::int64_t kIn = 12;
constexpr std::int64_t kOut = 20;
constexpr std::int64_t kVocab = 40;
const Dropout kDropout{.probability = 0.25F, .seed = 3};

}  // namespace

OpSamples::OpSamples() {
  add_linear();
  add_norm();
  add_attention();
  add_rows();
  add_head();
  add_optimizer();
  add_simple();
}

TensorView OpSamples::take(DType dtype, const Shape& shape) {
  const auto elements = static_cast<std::size_t>(shape.elements());
  held_.emplace_back(elements);  // doubles: enough for every type
  return {reinterpret_cast<std::byte*>(held_.back().data()), dtype, shape};
}

TensorView OpSamples::f32(const Shape& shape) {
  const TensorView view = take(DType::kF32, shape);
  for (std::int64_t i = 0; i < view.elements(); ++i) {
    view.as<float>()[i] = 0.25F + 0.125F * static_cast<float>(i * 7 % 11);
  }
  return view;
}

TensorView OpSamples::f64(const Shape& shape) {
  const TensorView view = take(DType::kF64, shape);
  std::fill_n(view.as<double>(), view.elements(), 2.5);
  return view;
}

TensorView OpSamples::bf16(const Shape& shape) {
  return take(DType::kBF16, shape);
}

TensorView OpSamples::indices(std::int64_t n, std::int32_t limit) {
  const TensorView view = take(DType::kI32, {n});
  for (std::int64_t i = 0; i < n; ++i) {
    view.as<std::int32_t>()[i] = static_cast<std::int32_t>(i * 3 % limit);
  }
  return view;
}

void OpSamples::add_linear() {
  LinearForward forward{f32({kTokens, kIn}), f32({kOut, kIn}), f32({kOut}),
                        f32({kTokens, kOut})};
  forward.residual = f32({kTokens, kOut});
  forward.dropout = kDropout;
  forward.sequence = kSequence;
  ops_.push_back(forward);
  LinearForward gelu{f32({kTokens, kIn}), f32({kOut, kIn}), f32({kOut}),
                     f32({kTokens, kOut})};
  gelu.activation = Activation::kGelu;
  gelu.pre = f32({kTokens, kOut});
  ops_.push_back(gelu);
  for (const bool accumulate : {false, true}) {
    ops_.push_back(LinearBackwardInput{
        f32({kTokens, kOut}), f32({kOut, kIn}), f32({kTokens, kIn}),
        Activation::kGelu, f32({kTokens, kIn}), f32({kIn}), accumulate});
    ops_.push_back(LinearBackwardWeight{f32({kTokens, kOut}),
                                        f32({kTokens, kIn}), f32({kOut, kIn}),
                                        f32({kOut}), accumulate});
  }
}

void OpSamples::add_norm() {
  const Shape rows{kTokens, kIn};
  NormForward forward;
  forward.x = f32(rows);
  forward.branch = f32(rows);
  forward.sum = f32(rows);
  forward.weight = f32({kIn});
  forward.bias = f32({kIn});
  forward.y = f32(rows);
  forward.stats = f32({2, kTokens});
  forward.dropout = kDropout;
  forward.sequence = kSequence;
  ops_.push_back(forward);
  for (const bool accumulate : {false, true}) {
    NormBackward backward;
    backward.dy = f32(rows);
    backward.x = f32(rows);
    backward.stats = f32({2, kTokens});
    backward.weight = f32({kIn});
    backward.residual = f32(rows);
    backward.dx = f32(rows);
    backward.dweight = f32({kIn});
    backward.dbias = f32({kIn});
    backward.partials = f32(norm_partials(kTokens, kIn));
    backward.accumulate = accumulate;
    backward.residual_sums = f32({kIn});
    backward.dx_sums = f32({kIn});
    ops_.push_back(backward);
  }
}

void OpSamples::add_attention() {
  const AttentionShape shape{2, kSequence, 4, 2, 8};
  const Shape qkv{kTokens, shape.qkv_width()};
  const Shape out{kTokens, 32};
  const Shape lse{2, 4, kSequence};
  ops_.push_back(AttentionForward{shape, f32(qkv), f32(out), f32(lse)});
  ops_.push_back(AttentionBackward{shape, f32(out), f32(qkv), f32(out),
                                   f32(lse), f32(qkv), f32(lse)});
  ops_.push_back(Rotary{shape, f32(qkv)});
}

void OpSamples::add_rows() {
  const Shape rows{kTokens, kIn};
  ops_.push_back(SwigluForward{f32({kTokens, 2 * kIn}), f32(rows)});
  ops_.push_back(SwigluBackward{f32(rows), f32({kTokens, 2 * kIn}),
                                f32({kTokens, 2 * kIn}), f32(rows)});
  ops_.push_back(Gelu{f32(rows), f32(rows)});
  ops_.push_back(EmbeddingForward{indices(kTokens, kVocab), f32({kVocab, kIn}),
                                  f32({6, kIn}), f32(rows), kDropout,
                                  kSequence});
  for (const bool accumulate : {false, true}) {
    ops_.push_back(EmbeddingBackward{indices(kTokens, 5), f32(rows),
                                     f32({5, kIn}), f32({6, kIn}), kDropout,
                                     kSequence, accumulate});
    ops_.push_back(ScatterRows{f32({5, kIn}), indices(5, kVocab),
                               f32({kVocab, kIn}), accumulate});
  }
}

void OpSamples::add_head() {
  for (const bool accumulate : {false, true}) {
    HeadLoss head;
    head.x = f32({kTokens, kIn});
    head.w = f32({kVocab, kIn});
    head.targets = indices(kTokens, kVocab);
    head.logits = f32(head_logits(kTokens, kVocab, DType::kF32));
    head.losses = f32({kTokens});
    head.loss = f32({1});
    head.dx = f32({kTokens, kIn});
    head.dw = f32({kVocab, kIn});
    head.accumulate = accumulate;
    ops_.push_back(head);
  }
}

void OpSamples::add_optimizer() {
  ops_.push_back(SquaredNorm{f32({kOut}), f64({2}), (kOut + 1) / 2});
  ops_.push_back(ClipFactor{f64({2}), f32({1}), f32({1}), 1.0F});
  AdamW adamw{f32({kOut}), f32({kOut}),  f32({kOut}),
              f32({kOut}), bf16({kOut}), f32({1})};
  adamw.lr = 0.5F;
  ops_.push_back(adamw);
  ops_.push_back(FillNormal{f32({kOut}), 1.0F, 3});
}

void OpSamples::add_simple() {
  ops_.push_back(Fill{f32({kOut}), 9.0F});
  ops_.push_back(Cast{f32({kOut}), bf16({kOut})});
  ops_.push_back(Add{f32({kOut}), f32({kOut})});
  ops_.push_back(DropoutRows{f32({kTokens, kIn}), f32({kTokens, kIn}), kDropout,
                             kSequence});
  ops_.push_back(AllFinite{f32({kOut}), f32({1})});
}

}  // namespace cairn
