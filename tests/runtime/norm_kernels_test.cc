#include "tests/runtime/kernel_lab.h"

namespace cairn {
namespace {

constexpr std::int64_t kTokens = 133;  // three chunks, 19 samples of seven
constexpr std::int64_t kSequence = 7;
constexpr std::int64_t kWidth = 33;

class NormKernels : public KernelTest,
                    public testing::WithParamInterface<NormKind> {
 protected:
  // y = norm(x + dropout(branch)) in double.
  double loss() {
    reference.norm_forward(lab.stream(), {.kind = GetParam(),
                                          .x = x64,
                                          .branch = branch64,
                                          .sum = sum64,
                                          .weight = weight64,
                                          .bias = bias_or_none(bias64),
                                          .y = y64,
                                          .stats = stats64,
                                          .dropout = dropout,
                                          .sequence = kSequence});
    return dot(y64.data, dy.data) + dot(sum64.data, residual.data);
  }

  NormForward forward() {
    return {.kind = GetParam(),
            .x = x,
            .branch = branch,
            .sum = sum,
            .weight = weight,
            .bias = bias_or_none(bias),
            .y = y,
            .stats = stats,
            .dropout = dropout,
            .sequence = kSequence};
  }

  // What the gradients go to; with the residual in dx's place.
  struct Backward {
    explicit Backward(const NormKernels& from)
        : dx(from.residual), dweight({kWidth}), dbias({kWidth}) {}

    Singles dx;
    Singles dweight;
    Singles dbias;
    Singles partials{norm_partials(kTokens, kWidth)};
  };
  NormBackward backward(Backward& to) {
    return {.kind = GetParam(),
            .dy = dy,
            .x = sum,
            .stats = stats,
            .weight = weight,
            .residual = to.dx,
            .dx = to.dx,
            .dweight = to.dweight,
            .dbias = bias_or_none(to.dbias),
            .partials = to.partials};
  }

  TensorView bias_or_none(const TensorView& view) {
    return GetParam() == NormKind::kLayer ? view : TensorView{};
  }

  Lab lab{2};
  ReferenceKernels reference;
  Dropout dropout = some_dropout();
  Singles x = normal({kTokens, kWidth});
  Singles branch = normal({kTokens, kWidth});
  Singles sum{Shape{kTokens, kWidth}};
  Singles weight = normal({kWidth});
  Singles bias = normal({kWidth});
  Singles y{Shape{kTokens, kWidth}};
  Singles stats{Shape{2, kTokens}};
  Singles dy = normal({kTokens, kWidth});
  Singles residual = normal({kTokens, kWidth});
  Doubles x64{x};
  Doubles branch64{branch};
  Doubles sum64{Shape{kTokens, kWidth}};
  Doubles weight64{weight};
  Doubles bias64{bias};
  Doubles y64{Shape{kTokens, kWidth}};
  Doubles stats64{Shape{2, kTokens}};
};

TEST_P(NormKernels, AddTheBranchAfterDropoutAndNormalise) {
  loss();
  lab(&Kernels::norm_forward, forward());
  EXPECT_LT(relative_error(sum.data, sum64.data), 1e-6);
  EXPECT_LT(relative_error(y.data, y64.data), 1e-6);
  EXPECT_LT(relative_error(stats.data, stats64.data), 1e-6);

  NormForward in_place = forward();
  in_place.sum = x;
  lab(&Kernels::norm_forward, in_place);
  EXPECT_EQ(x.data, sum.data);
}

TEST_P(NormKernels, DifferentiateWithTheResidualInPlace) {
  lab(&Kernels::norm_forward, forward());
  Backward found(*this);
  lab(&Kernels::norm_backward, backward(found));
  const auto measure = [&] { return loss(); };
  expect_gradient("x", x64, found.dx, measure);
  expect_gradient("weight", weight64, found.dweight, measure);
  if (GetParam() == NormKind::kLayer) {
    expect_gradient("bias", bias64, found.dbias, measure);
  }
}

TEST_P(NormKernels, SumTheResidualAndItsGradientOnTheWay) {
  lab(&Kernels::norm_forward, forward());
  Backward found(*this);
  Singles residual_sums = weight;
  Singles dx_sums = bias;
  NormBackward op = backward(found);
  op.residual_sums = residual_sums;
  op.dx_sums = dx_sums;
  const auto sums_of = [](const Singles& rows) {
    std::vector<double> sums(kWidth);
    for (std::size_t i = 0; i < rows.data.size(); ++i) {
      sums[i % kWidth] += static_cast<double>(rows.data[i]);
    }
    return sums;
  };

  lab(&Kernels::norm_backward, op);

  EXPECT_LT(relative_error(residual_sums.data, sums_of(residual)), 1e-5);
  EXPECT_LT(relative_error(dx_sums.data, sums_of(found.dx)), 1e-5);

  op.residual = {};
  EXPECT_THROW(lab(&Kernels::norm_backward, op), Error);
}

TEST_P(NormKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits([&](Lab& body) {
    Singles dx({kTokens, kWidth});
    Singles dweight = weight;
    Singles dbias = bias;
    Singles partials(norm_partials(kTokens, kWidth));
    body(&Kernels::norm_forward, forward());
    body(&Kernels::norm_backward, NormBackward{.kind = GetParam(),
                                               .dy = dy,
                                               .x = sum,
                                               .stats = stats,
                                               .weight = weight,
                                               .dx = dx,
                                               .dweight = dweight,
                                               .dbias = bias_or_none(dbias),
                                               .partials = partials,
                                               .accumulate = true});
    return std::vector<Singles>{y, sum, stats, dx, dweight, dbias};
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, NormKernels,
                         testing::Values(NormKind::kLayer, NormKind::kRms),
                         [](const auto& test) {
                           return test.param == NormKind::kRms ? "rms"
                                                               : "layer";
                         });

}  // namespace
}  // namespace cairn
