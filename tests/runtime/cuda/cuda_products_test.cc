// Linear layers and the head of the CUDA body against the CPU body, both when
// bits must repeat and when speed goes first: at widths that do and do not
// divide into lanes, tiles and clusters.

#include "cuda_lab.h"

namespace cairn {
namespace {

class CudaProducts : public CudaLab {
 protected:
  using CudaLab::CudaLab;

  struct Sizes {
    std::int64_t samples;
    std::int64_t sequence;
    std::int64_t in;
    std::int64_t out;

    std::int64_t tokens() const { return samples * sequence; }
  };
  static constexpr Sizes kSizes[] = {{2, 33, 48, 80},     {3, 7, 21, 35},
                                     {1, 1, 5, 3},        {1, 300, 768, 2304},
                                     {2, 129, 100, 1030}, {1, 1000, 1600, 400}};

  void compare_forward(const Sizes& s);
  void compare_backward(const Sizes& s);
  void compare_head(std::int64_t tokens, const Shape& logits,
                    std::int64_t vocab, std::int64_t width);
  void compare_heads();
};

void CudaProducts::compare_forward(const Sizes& s) {
  const Shape out{s.tokens(), s.out};
  for (const bool bias : {false, true}) {
    LinearForward op;
    op.x = normal({s.tokens(), s.in});
    op.w = normal({s.out, s.in});
    if (bias) op.bias = normal({s.out});
    op.y = poison(out);
    op.sequence = s.sequence;
    expect_agreement(op);
    LinearForward gelu = op;
    gelu.activation = Activation::kGelu;
    expect_agreement(gelu);
    gelu.pre = poison(out);
    expect_agreement(gelu);
    op.residual = normal(out);
    expect_agreement(op);
    op.dropout = some_dropout();
    expect_agreement(op);
    op.residual = op.y = normal(out);
    expect_agreement(op);
    op.dropout = {};
    op.residual = op.y = normal(out);
    expect_agreement(op);
  }
}

void CudaProducts::compare_backward(const Sizes& s) {
  for (const bool accumulate : {false, true}) {
    LinearBackwardInput input;
    input.dy = normal({s.tokens(), s.out});
    input.w = normal({s.out, s.in});
    input.dx = poison({s.tokens(), s.in});
    input.accumulate = accumulate;
    expect_agreement(input);
    input.activation = Activation::kGelu;
    input.pre = normal({s.tokens(), s.in});
    expect_agreement(input);
    input.dbias = accumulate ? normal({s.in}) : poison({s.in});
    expect_agreement(input);
    LinearBackwardWeight weight;
    weight.dy = normal({s.tokens(), s.out});
    weight.x = normal({s.tokens(), s.in});
    weight.dw = accumulate ? normal({s.out, s.in}) : poison({s.out, s.in});
    weight.accumulate = accumulate;
    expect_agreement(weight);
    weight.dbias = accumulate ? normal({s.out}) : poison({s.out});
    expect_agreement(weight);
  }
}

void CudaProducts::compare_head(std::int64_t tokens, const Shape& logits,
                                std::int64_t vocab, std::int64_t width) {
  for (const bool accumulate : {false, true}) {
    HeadLoss op;
    op.x = normal({tokens, width});
    op.w = normal({vocab, width}, 0.2F);
    op.targets = indices(tokens, static_cast<std::int32_t>(vocab));
    op.logits = poison(logits);
    op.losses = poison({tokens});
    op.loss = poison({1});
    op.scale = 0.3F;
    expect_agreement(op);
    op.dx = poison(op.x.shape);
    op.dw = accumulate ? normal(op.w.shape, 1e-2F) : poison(op.w.shape);
    op.accumulate = accumulate;
    expect_agreement(op);
  }
}

void CudaProducts::compare_heads() {
  compare_head(66, {66, 57}, 57, 21);
  compare_head(66, {32, 1003}, 1000, 96);
  compare_head(200, {130, 50257}, 50257, 96);
  compare_head(200, {130, 50264}, 50257, 96);
  compare_head(70, {32, 50304}, 50304, 48);
  compare_head(9, {9, 128256}, 128256, 40);
  compare_head(9, {9, 65008}, 65003, 40);
}

TEST_P(CudaProducts, ComputeAtSmallSizes) {
  for (const Sizes& s : {Sizes{2, 3, 21, 35}, Sizes{1, 600, 16, 24}}) {
    compare_forward(s);
    compare_backward(s);
  }
  compare_head(9, {9, 57}, 57, 21);
  compare_head(9, {4, 1008}, 1000, 24);
}

TEST_P(CudaProducts, ComputeLinearForward) {
  for (const Sizes& s : kSizes) compare_forward(s);
}

TEST_P(CudaProducts, ComputeLinearBackward) {
  for (const Sizes& s : kSizes) compare_backward(s);
}

TEST_P(CudaProducts, ComputeHeadLossByChunks) { compare_heads(); }

INSTANTIATE_TEST_SUITE_P(Types, CudaProducts,
                         testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return name_of(test.param); });

class CudaFastProducts : public CudaProducts {
 protected:
  CudaFastProducts() : CudaProducts(/*deterministic=*/false) {}
};

TEST_P(CudaFastProducts, ComputeLinearForward) {
  for (const Sizes& s : kSizes) compare_forward(s);
}

TEST_P(CudaFastProducts, ComputeLinearBackward) {
  for (const Sizes& s : kSizes) compare_backward(s);
}

TEST_P(CudaFastProducts, ComputeHeadLossByChunks) { compare_heads(); }

INSTANTIATE_TEST_SUITE_P(Types, CudaFastProducts,
                         testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace cairn
