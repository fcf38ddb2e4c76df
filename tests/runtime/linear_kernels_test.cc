#include "tests/runtime/kernel_lab.h"

namespace cairn {
namespace {

constexpr std::int64_t kTokens = 21;  // three samples of seven
constexpr std::int64_t kSequence = 7;
constexpr std::int64_t kIn = 33;
constexpr std::int64_t kOut = 67;

class LinearKernels : public KernelTest {
 protected:
  Lab lab{2};
  ReferenceKernels reference;
  Singles x = normal({kTokens, kIn});
  Singles w = normal({kOut, kIn});
  Singles bias = normal({kOut});
  Singles residual = normal({kTokens, kOut});
  Singles y{Shape{kTokens, kOut}};
  Singles pre{Shape{kTokens, kOut}};
  Doubles x64{x};
  Doubles w64{w};
  Doubles bias64{bias};
  Doubles residual64{residual};
  Doubles y64{Shape{kTokens, kOut}};
  Doubles pre64{Shape{kTokens, kOut}};
};

TEST_F(LinearKernels, AppliesBiasAndGelu) {
  const Activation gelu = Activation::kGelu;
  lab(&Kernels::linear_forward, LinearForward{.x = x,
                                              .w = w,
                                              .bias = bias,
                                              .y = y,
                                              .activation = gelu,
                                              .pre = pre});
  reference.linear_forward(lab.stream(), {.x = x64,
                                          .w = w64,
                                          .bias = bias64,
                                          .y = y64,
                                          .activation = gelu,
                                          .pre = pre64});
  EXPECT_LT(relative_error(y.data, y64.data), 1e-6);
  EXPECT_LT(relative_error(pre.data, pre64.data), 1e-6);

  Singles again({kTokens, kOut});
  lab(&Kernels::gelu, Gelu{.x = pre, .y = again});
  EXPECT_EQ(again.data, y.data);
}

TEST_F(LinearKernels, AddsTheResidualAfterDropoutEvenInPlace) {
  const Dropout dropout = some_dropout();
  lab(&Kernels::linear_forward, LinearForward{.x = x,
                                              .w = w,
                                              .bias = bias,
                                              .y = y,
                                              .residual = residual,
                                              .dropout = dropout,
                                              .sequence = kSequence});
  reference.linear_forward(lab.stream(), {.x = x64,
                                          .w = w64,
                                          .bias = bias64,
                                          .y = y64,
                                          .residual = residual64,
                                          .dropout = dropout,
                                          .sequence = kSequence});
  EXPECT_LT(relative_error(y.data, y64.data), 1e-6);

  lab(&Kernels::linear_forward, LinearForward{.x = x,
                                              .w = w,
                                              .bias = bias,
                                              .y = residual,
                                              .residual = residual,
                                              .dropout = dropout,
                                              .sequence = kSequence});
  EXPECT_LT(relative_error(residual.data, y64.data), 1e-6);
}

TEST_F(LinearKernels, DifferentiatesInTheInput) {
  const Singles dy = normal({kTokens, kOut});
  Singles dy32 = dy;
  Singles dx({kTokens, kIn});
  lab(&Kernels::linear_backward_input,
      LinearBackwardInput{.dy = dy32, .w = w, .dx = dx});
  expect_gradient("x", x64, dx, [&] {
    reference.linear_forward(lab.stream(), {.x = x64, .w = w64, .y = y64});
    return dot(y64.data, dy.data);
  });
}

TEST_F(LinearKernels, DifferentiatesThroughTheActivationAndInTheBiasBeforeIt) {
  Singles dy = normal({kTokens, kOut});
  Singles dx({kTokens, kIn});
  Singles dbias({kIn});
  LinearBackwardInput op{.dy = dy,
                         .w = w,
                         .dx = dx,
                         .activation = Activation::kGelu,
                         .pre = x,
                         .dbias = dbias};
  lab(&Kernels::linear_backward_input, op);
  std::vector<double> sums(kIn);
  for (std::int64_t i = 0; i < kTokens * kIn; ++i) {
    sums[i % kIn] += static_cast<double>(dx.data[i]);
  }
  EXPECT_LT(relative_error(dbias.data, sums), 1e-6);
  op.accumulate = true;
  lab(&Kernels::linear_backward_input, op);
  for (double& sum : sums) sum *= 2.0;
  EXPECT_LT(relative_error(dbias.data, sums), 1e-6);
  Doubles hidden({kTokens, kIn});
  expect_gradient("pre", x64, dx, [&] {
    reference.gelu(lab.stream(), {.x = x64, .y = hidden});
    reference.linear_forward(lab.stream(), {.x = hidden, .w = w64, .y = y64});
    return dot(y64.data, dy.data);
  });
}

TEST_F(LinearKernels, DifferentiatesInWeightAndBiasAndAccumulates) {
  Singles dy = normal({kTokens, kOut});
  Singles dw({kOut, kIn});
  Singles dbias({kOut});
  const LinearBackwardWeight op = {.dy = dy, .x = x, .dw = dw, .dbias = dbias};
  lab(&Kernels::linear_backward_weight, op);
  const auto loss = [&] {
    reference.linear_forward(lab.stream(),
                             {.x = x64, .w = w64, .bias = bias64, .y = y64});
    return dot(y64.data, dy.data);
  };
  expect_gradient("w", w64, dw, loss);
  expect_gradient("bias", bias64, dbias, loss);

  const std::vector<float> once = dw.data;
  LinearBackwardWeight more = op;
  more.accumulate = true;
  lab(&Kernels::linear_backward_weight, more);
  for (std::size_t i = 0; i < once.size(); ++i) {
    ASSERT_NEAR(dw.data[i], 2 * once[i], 1e-4F);
  }
}

TEST_F(LinearKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  Singles a = normal({515, 200});
  Singles b = normal({777, 200});
  Singles c = normal({777});
  Singles d = normal({515, 777});
  expect_same_bits([&](Lab& body) {
    Singles out({515, 777});
    Singles kept({515, 777});
    Singles da({515, 200});
    Singles db({777, 200});
    Singles dc({777});
    body(&Kernels::linear_forward,
         LinearForward{.x = a,
                       .w = b,
                       .bias = c,
                       .y = out,
                       .activation = Activation::kGelu,
                       .pre = kept});
    body(&Kernels::linear_backward_input,
         LinearBackwardInput{.dy = d, .w = b, .dx = da});
    body(&Kernels::linear_backward_weight,
         LinearBackwardWeight{.dy = d, .x = a, .dw = db, .dbias = dc});
    return std::vector<Singles>{out, kept, da, db, dc};
  });
}

TEST_F(LinearKernels, RefuseShapesThatDoNotFit) {
  Singles narrow({kOut, kIn - 1});
  EXPECT_THROW(
      lab(&Kernels::linear_forward, LinearForward{.x = x, .w = narrow, .y = y}),
      Error);
}

}  // namespace
}  // namespace cairn
