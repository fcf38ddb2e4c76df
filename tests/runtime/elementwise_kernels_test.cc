#include "tests/runtime/kernel_lab.h"

namespace cairn {
namespace {

constexpr std::int64_t kTokens = 21;
constexpr std::int64_t kSequence = 7;
constexpr std::int64_t kWidth = 33;

class ElementwiseKernels : public KernelTest {
 protected:
  Lab lab{2};
  ReferenceKernels reference;
};

TEST_F(ElementwiseKernels, SwigluMatchesTheReferenceAndItsGradient) {
  Singles in = normal({kTokens, 2 * kWidth});
  Singles dy = normal({kTokens, kWidth});
  Singles y({kTokens, kWidth});
  Doubles in64(in);
  Doubles y64({kTokens, kWidth});
  const auto loss = [&] {
    reference.swiglu_forward(lab.stream(), {.gate_up = in64, .y = y64});
    return dot(y64.data, dy.data);
  };
  loss();
  lab(&Kernels::swiglu_forward, SwigluForward{.gate_up = in, .y = y});
  EXPECT_LT(relative_error(y.data, y64.data), 1e-6);

  lab(&Kernels::swiglu_backward,
      SwigluBackward{.dy = dy, .gate_up = in, .dgate_up = in});
  expect_gradient("gate_up", in64, in, loss);
}

TEST_F(ElementwiseKernels, SwigluBackwardGivesTheOutputAgain) {
  for (const std::int64_t width : {131, 1024, 2051}) {
    Singles in = normal({kTokens, 2 * width});
    Singles dy = normal({kTokens, width});
    Singles y({kTokens, width});
    Singles want({kTokens, 2 * width});
    lab(&Kernels::swiglu_forward, SwigluForward{.gate_up = in, .y = y});
    lab(&Kernels::swiglu_backward,
        SwigluBackward{.dy = dy, .gate_up = in, .dgate_up = want});

    lab(&Kernels::swiglu_backward,
        SwigluBackward{.dy = dy, .gate_up = in, .dgate_up = in, .y = dy});

    EXPECT_EQ(dy.data, y.data);
    EXPECT_EQ(in.data, want.data);
  }
}

TEST_F(ElementwiseKernels, GeluHoldsOverTheWholeRange) {
  Singles x({4001});
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    x.data[i] = static_cast<float>(i) * 0.01F - 20.0F;
  }
  Singles y({4001});
  Doubles x64(x);
  Doubles y64({4001});
  lab(&Kernels::gelu, Gelu{.x = x, .y = y});
  reference.gelu(lab.stream(), {.x = x64, .y = y64});
  for (std::size_t i = 0; i < y.data.size(); ++i) {
    ASSERT_NEAR(y.data[i], y64.data[i], 1e-6 * std::abs(x64.data[i]) + 1e-9);
  }
}

TEST_F(ElementwiseKernels, DropoutDrawsAsTheReferenceEvenInPlace) {
  const Dropout dropout = some_dropout();
  Singles x = normal({kTokens, 131});
  Singles y({kTokens, 131});
  Doubles x64(x);
  Doubles y64({kTokens, 131});
  reference.dropout(lab.stream(), x64, y64, dropout, kSequence);
  lab.kernels().dropout(lab.stream(), x, y, dropout, kSequence);
  lab.kernels().dropout(lab.stream(), x, x, dropout, kSequence);
  lab.stream().synchronize();
  EXPECT_LT(relative_error(y.data, y64.data), 1e-7);
  EXPECT_EQ(x.data, y.data);
}

TEST_F(ElementwiseKernels, EmbeddingAddsPositionsAndDrops) {
  const Dropout dropout = some_dropout();
  Integers tokens = below(kTokens, 11);
  Singles table = normal({11, kWidth});
  Singles positions = normal({9, kWidth});
  Singles y({kTokens, kWidth});
  Singles dy = normal({kTokens, kWidth});
  Singles kept = dy;
  Doubles table64(table);
  Doubles positions64(positions);
  Doubles y64({kTokens, kWidth});
  const auto loss = [&] {
    reference.embedding_forward(lab.stream(), {.tokens = tokens,
                                               .table = table64,
                                               .positions = positions64,
                                               .y = y64,
                                               .dropout = dropout,
                                               .sequence = kSequence});
    return dot(y64.data, kept.data);
  };
  loss();
  lab(&Kernels::embedding_forward, EmbeddingForward{.tokens = tokens,
                                                    .table = table,
                                                    .positions = positions,
                                                    .y = y,
                                                    .dropout = dropout,
                                                    .sequence = kSequence});
  EXPECT_LT(relative_error(y.data, y64.data), 1e-7);

  // Every token its own row of the compact gradient, in reverse, then spread.
  Integers rows({kTokens});
  Integers listed({11});
  for (std::int32_t u = 0; u < 11; ++u) listed.data[u] = 10 - u;
  for (std::size_t i = 0; i < rows.data.size(); ++i) {
    rows.data[i] = 10 - tokens.data[i];
  }
  Singles drows({11, kWidth});
  Singles dtable({11, kWidth});
  Singles dpositions({9, kWidth});
  lab.kernels().fill(lab.stream(), drows, 0.0F);
  lab(&Kernels::embedding_backward, EmbeddingBackward{.rows = rows,
                                                      .dy = dy,
                                                      .drows = drows,
                                                      .dpositions = dpositions,
                                                      .dropout = dropout,
                                                      .sequence = kSequence});
  lab(&Kernels::scatter_rows,
      ScatterRows{.drows = drows, .tokens = listed, .dtable = dtable});
  expect_gradient("table", table64, dtable, loss);
  expect_gradient("positions", positions64, dpositions, loss);
}

TEST_F(ElementwiseKernels, ScatterRowsClearsTheRestUnlessItAccumulates) {
  Singles drows = normal({1, kWidth});
  Integers tokens({1});
  tokens.data = {2};
  Singles dtable({4, kWidth});
  const ScatterRows op = {.drows = drows, .tokens = tokens, .dtable = dtable};
  lab(&Kernels::scatter_rows, op);
  EXPECT_EQ(dtable.data[0], 0.0F);
  EXPECT_EQ(dtable.data[2 * kWidth], drows.data[0]);
  ScatterRows more = op;
  more.accumulate = true;
  lab(&Kernels::scatter_rows, more);
  EXPECT_EQ(dtable.data[2 * kWidth], 2 * drows.data[0]);
}

TEST_F(ElementwiseKernels, CastKeepsFloatsAndWidensToDouble) {
  Singles x = normal({70001});
  Doubles wide({70001});
  Singles back({70001});
  lab.kernels().cast(lab.stream(), x, wide);
  lab.kernels().cast(lab.stream(), wide, back);
  lab.stream().synchronize();
  EXPECT_EQ(back.data, x.data);
}

TEST_F(ElementwiseKernels, AllFiniteFindsOneNan) {
  Singles x = normal({70001});
  Singles finite({1});
  lab(&Kernels::all_finite, static_cast<const TensorView&>(TensorView(x)),
      static_cast<const TensorView&>(TensorView(finite)));
  EXPECT_EQ(finite.data[0], 1.0F);
  x.data[69000] = std::numeric_limits<float>::quiet_NaN();
  lab(&Kernels::all_finite, static_cast<const TensorView&>(TensorView(x)),
      static_cast<const TensorView&>(TensorView(finite)));
  EXPECT_EQ(finite.data[0], 0.0F);
}

TEST_F(ElementwiseKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  const Dropout dropout = some_dropout();
  const Singles in = normal({600, 2 * kWidth});
  const Singles dy = normal({600, kWidth});
  Integers rows = below(600, 50);
  expect_same_bits([&](Lab& body) {
    Singles a = in;
    Singles y({600, kWidth});
    Singles d = dy;
    Singles drows({50, kWidth});
    body.kernels().fill(body.stream(), drows, 0.0F);
    body(&Kernels::swiglu_forward, SwigluForward{.gate_up = a, .y = y});
    body(&Kernels::swiglu_backward,
         SwigluBackward{.dy = d, .gate_up = a, .dgate_up = a});
    body(&Kernels::embedding_backward, EmbeddingBackward{.rows = rows,
                                                         .dy = d,
                                                         .drows = drows,
                                                         .dropout = dropout,
                                                         .sequence = 60});
    return std::vector<Singles>{a, y, d, drows};
  });
}

}  // namespace
}  // namespace cairn
