#include "tests/runtime/kernel_lab.h"

namespace cairn {
namespace {

class OptimizerKernels : public KernelTest {
 protected:
  // The factor after a step whose squared norm is `squared`.
  float clip(double squared, float limit, float before) {
    Doubles partials({2});
    partials.data = {squared / 4, squared * 3 / 4};
    factor.data[0] = before;
    lab(&Kernels::clip_factor, ClipFactor{.partials = partials,
                                          .norm = norm,
                                          .factor = factor,
                                          .limit = limit});
    return factor.data[0];
  }

  Lab lab{2};
  Singles norm{Shape{1}};
  Singles factor{Shape{1}};
};

TEST_F(OptimizerKernels, ClipToTheLimit) {
  EXPECT_EQ(clip(4.0, 1.0F, 1.0F), 0.5F);
  EXPECT_EQ(norm.data[0], 2.0F);
  EXPECT_EQ(clip(0.25, 1.0F, 0.5F), 1.0F);
  EXPECT_EQ(clip(4.0, 0.0F, 0.5F), 1.0F);
}

TEST_F(OptimizerKernels, KeepNanForEver) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(clip(HUGE_VAL, 1.0F, 1.0F)));
  EXPECT_TRUE(std::isnan(clip(1.0, 1.0F, nan)));
  EXPECT_EQ(norm.data[0], 1.0F);
}

TEST_F(OptimizerKernels, SumSquaresByChunks) {
  constexpr std::int64_t kChunk = 4160;
  Singles x = normal({2 * kChunk + 77});
  Doubles partials({3});
  lab(&Kernels::squared_norm,
      SquaredNorm{.x = x, .partials = partials, .chunk = kChunk});
  double want[3] = {};
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    want[i / kChunk] += static_cast<double>(x.data[i]) * x.data[i];
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(partials.data[i], want[i], 1e-10 * want[i]);
  }
}

TEST_F(OptimizerKernels, StepAsAdamW) {
  const std::int64_t n = 40001;
  Singles p = normal({n});
  Singles g = normal({n});
  Singles m = normal({n});
  Singles v = normal({n});
  for (float& x : v.data) x *= x;
  factor.data[0] = 0.5F;
  const AdamW op = {.param = p,
                    .grad = g,
                    .m = m,
                    .v = v,
                    .factor = factor,
                    .lr = 0.01F,
                    .decay = 0.1F,
                    .bias1 = 0.19F,
                    .bias2 = 0.02F};
  std::vector<double> want(p.data.begin(), p.data.end());
  // With the constants as the kernel is given them: 0.999F is not 0.999, and
  // where v is small that decides the step.
  const double beta1 = op.beta1;
  const double beta2 = op.beta2;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double grad = 0.5 * static_cast<double>(g.data[i]);
    const double mean = beta1 * m.data[i] + (1 - beta1) * grad;
    const double square = beta2 * v.data[i] + (1 - beta2) * grad * grad;
    const double deviation = std::sqrt(square / double{op.bias2});
    want[i] -= double{op.lr} *
               (double{op.decay} * want[i] +
                mean / double{op.bias1} / (deviation + double{op.epsilon}));
  }
  lab(&Kernels::adamw, op);
  EXPECT_LT(relative_error(p.data, want), 1e-6);

  const std::vector<float> kept = p.data;
  factor.data[0] = std::numeric_limits<float>::quiet_NaN();
  lab(&Kernels::adamw, op);
  EXPECT_EQ(p.data, kept);
}

TEST_F(OptimizerKernels, FillNormalsThatDependOnTheElementOnly) {
  const std::int64_t n = 100001;
  Singles whole({n});
  Singles part({n - 33});
  const FillNormal op = {
      .x = whole, .deviation = 2.0F, .seed = random()(), .stream = 3};
  lab(&Kernels::fill_normal, op);
  FillNormal rest = op;
  rest.x = part;
  rest.first_element = 33;
  lab(&Kernels::fill_normal, rest);
  EXPECT_TRUE(
      std::equal(part.data.begin(), part.data.end(), whole.data.begin() + 33));

  for (std::int64_t i = 0; i < 1000; ++i) {
    const auto k = static_cast<std::uint32_t>(i / 2);
    const Random4 words = philox(op.seed, {k, 0, 3, 0});
    const double u = ((words[0] >> 9) + 0.5) / 8388608.0;
    const double angle = 2 * std::acos(-1.0) * (words[1] / 4294967296.0);
    const double radius = 2.0 * std::sqrt(-2.0 * std::log(u));
    const double want =
        radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
    ASSERT_NEAR(whole.data[i], want, 1e-5);
  }
}

TEST_F(OptimizerKernels, CopyWeightsEvenWhenTheyStayAsTheyAre) {
  Singles p = normal({1000});
  const Singles before = p;
  Singles g = normal({1000});
  Singles m = normal({1000});
  Singles v = normal({1000});
  std::vector<std::uint16_t> copy(1000, 0xFFFF);
  std::vector<std::uint16_t> cast(1000);
  const auto view = [](std::vector<std::uint16_t>& values) {
    return TensorView{
        reinterpret_cast<std::byte*>(values.data()), DType::kBF16, {1000}};
  };
  factor.data[0] = std::numeric_limits<float>::quiet_NaN();

  lab(&Kernels::adamw, AdamW{.param = p,
                             .grad = g,
                             .m = m,
                             .v = v,
                             .copy = view(copy),
                             .factor = factor,
                             .lr = 0.1F});

  lab.kernels().cast(lab.stream(), p, view(cast));
  lab.stream().synchronize();
  EXPECT_EQ(p.data, before.data);
  EXPECT_EQ(copy, cast);
}

TEST_F(OptimizerKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  const Singles start = normal({150001});
  Singles g = normal({150001});
  factor.data[0] = 1.0F;
  expect_same_bits([&](Lab& body) {
    Singles p = start;
    Singles m({150001});
    Singles v({150001});
    Singles sums({6});
    Doubles partials({3});
    body.kernels().fill(body.stream(), m, 0.0F);
    body.kernels().fill(body.stream(), v, 0.0F);
    body(&Kernels::squared_norm, SquaredNorm{.x = g, .partials = partials});
    body(&Kernels::adamw, AdamW{.param = p,
                                .grad = g,
                                .m = m,
                                .v = v,
                                .factor = factor,
                                .lr = 0.1F});
    std::memcpy(sums.data.data(), partials.data.data(), 24);
    body(&Kernels::fill_normal, FillNormal{.x = m, .seed = 5});
    return std::vector<Singles>{p, m, v, sums};
  });
}

}  // namespace
}  // namespace cairn
