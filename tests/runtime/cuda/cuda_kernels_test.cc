// Every operation of the CUDA body against the CPU body, at sizes that do and
// do not divide into lanes.

#include "runtime/cuda/cuda_kernels.h"

#include "cuda_lab.h"

namespace cairn {
namespace {

struct Sizes {
  std::int64_t samples;
  std::int64_t sequence;
  std::int64_t in;
  std::int64_t out;

  std::int64_t tokens() const { return samples * sequence; }
};
constexpr Sizes kSizes[] = {{2, 33, 48, 80},
                            {3, 7, 21, 35},
                            {1, 1, 5, 3},
                            {1, 300, 768, 2304},
                            {2, 129, 100, 1030}};

class CudaKernels : public CudaLab {
 protected:
  void compare_simple(const Sizes& s);
  void compare_embedding(const Sizes& s);
};

TEST_P(CudaKernels, ComputeNormForward) {
  for (const Sizes& s : kSizes) {
    for (const NormKind kind : {NormKind::kLayer, NormKind::kRms}) {
      const Shape rows{s.tokens(), s.out};
      NormForward op;
      op.kind = kind;
      op.x = normal(rows);
      op.weight = normal({s.out});
      if (kind == NormKind::kLayer) op.bias = normal({s.out});
      op.y = poison(rows);
      op.stats = poison({2, s.tokens()});
      op.sequence = s.sequence;
      expect_agreement(op);
      op.branch = normal(rows);
      op.sum = poison(rows);
      expect_agreement(op);
      op.dropout = some_dropout();
      op.sum = op.x;
      expect_agreement(op);
      op.x = normal(rows);
      op.branch = op.sum = normal(rows);
      expect_agreement(op);
    }
  }
}

TEST_P(CudaKernels, ComputeNormBackward) {
  for (const Sizes& s : kSizes) {
    for (const NormKind kind : {NormKind::kLayer, NormKind::kRms}) {
      const Shape rows{s.tokens(), s.out};
      for (const bool accumulate : {false, true}) {
        const auto sums = [&] {
          return accumulate ? normal({s.out}) : poison({s.out});
        };
        NormBackward op;
        op.kind = kind;
        op.dy = normal(rows);
        op.x = normal(rows);
        op.stats = normal({2, s.tokens()}, 0.2F);
        op.weight = normal({s.out});
        op.dx = poison(rows);
        op.dweight = sums();
        if (kind == NormKind::kLayer) op.dbias = sums();
        op.partials = poison(norm_partials(s.tokens(), s.out));
        op.accumulate = accumulate;
        expect_agreement(op);
        op.residual = normal(rows);
        expect_agreement(op);
        op.dx = accumulate ? op.dy : op.residual;
        expect_agreement(op);
        op.dx = op.residual = normal(rows);
        op.dx_sums = sums();
        expect_agreement(op);
        op.residual_sums = sums();
        expect_agreement(op);
      }
    }
  }
}

void CudaKernels::compare_simple(const Sizes& s) {
  const Shape rows{s.tokens(), s.out};
  const AttentionShape shape{s.samples, s.sequence, 4, 2,
                             s.in > 100 ? 128 : 2 * s.in};
  expect_agreement(Rotary{shape, normal({s.tokens(), shape.qkv_width()})});
  expect_agreement(Rotary{shape, normal({s.tokens(), shape.qkv_width()}),
                          500000.0F, /*inverse=*/true});
  const TensorView gate_up = normal({s.tokens(), 2 * s.out});
  expect_agreement(SwigluForward{gate_up, poison(rows)});
  expect_agreement(
      SwigluBackward{normal(rows), gate_up, poison(gate_up.shape)});
  expect_agreement(SwigluBackward{normal(rows), gate_up, gate_up});
  const TensorView dy = normal(rows);
  expect_agreement(SwigluBackward{dy, normal({s.tokens(), 2 * s.out}),
                                  poison(gate_up.shape), poison(rows)});
  expect_agreement(SwigluBackward{dy, normal({s.tokens(), 2 * s.out}),
                                  poison(gate_up.shape), dy});
  expect_agreement(Gelu{normal(rows), poison(rows)});
  expect_agreement(Add{normal(rows), normal(rows)});
  expect_agreement(Cast{normal(rows), poison(rows)});
  expect_agreement(Fill{poison(rows), 0.75F});
  const TensorView x = normal(rows);
  expect_agreement(DropoutRows{x, poison(rows), some_dropout(), s.sequence});
  expect_agreement(DropoutRows{x, x, some_dropout(), s.sequence});
}

void CudaKernels::compare_embedding(const Sizes& s) {
  const Shape rows{s.tokens(), s.in};
  const Shape positions{s.sequence + 3, s.in};
  EmbeddingForward forward;
  forward.tokens = indices(s.tokens(), 70);
  forward.table = normal({70, s.in});
  forward.y = poison(rows);
  forward.sequence = s.sequence;
  expect_agreement(forward);
  forward.positions = normal(positions);
  forward.dropout = some_dropout();
  expect_agreement(forward);
  for (const bool accumulate : {false, true}) {
    EmbeddingBackward backward;
    backward.rows = indices(s.tokens(), 31);
    backward.dy = normal(rows);
    backward.drows = normal({37, s.in});
    backward.sequence = s.sequence;
    expect_agreement(backward);
    backward.dpositions = accumulate ? normal(positions) : poison(positions);
    backward.dropout = some_dropout();
    backward.accumulate = accumulate;
    expect_agreement(backward);
  }
}

TEST_P(CudaKernels, ComputeRotarySwigluGeluAddCastAndDropout) {
  for (const Sizes& s : kSizes) compare_simple(s);
}

TEST_P(CudaKernels, ComputeEmbedding) {
  for (const Sizes& s : kSizes) compare_embedding(s);
}

TEST_P(CudaKernels, ComputeAtSmallSizes) {
  for (const Sizes& s : {Sizes{2, 3, 8, 16}, Sizes{3, 5, 21, 35}}) {
    compare_simple(s);
    compare_embedding(s);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaKernels,
                         testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return name_of(test.param); });

class CudaF32Kernels : public CudaLab {};

TEST_P(CudaF32Kernels, ComputeScatterRows) {
  for (const std::int64_t width : {21, 64}) {
    TensorView tokens = indices(19, 1);
    for (std::int32_t i = 0; i < 19; ++i) {
      tokens.as<std::int32_t>()[i] = (i * 11 + 3) % 40;
    }
    expect_agreement(
        ScatterRows{normal({19, width}), tokens, poison({40, width})});
    expect_agreement(
        ScatterRows{normal({19, width}), tokens, normal({40, width}), true});
  }
}

TEST_P(CudaF32Kernels, ComputeTheNormAndTheFactorOfClipping) {
  for (const std::int64_t n : {1, 1000, 200001}) {
    for (const std::int64_t chunk : {65536, 9664, 1792, 16, 7}) {
      const SquaredNorm op{
          normal({n}), poison({(n + chunk - 1) / chunk}, DType::kF64), chunk};
      expect_agreement(op);
      for (const float limit : {0.0F, 0.5F, 1e6F}) {
        const TensorView factor = normal({1});
        expect_agreement(ClipFactor{op.partials, poison({1}), factor, limit});
      }
    }
  }
}

TEST_P(CudaF32Kernels, ComputeAdamWWithItsCopy) {
  for (const std::int64_t n : {1, 7, 1024, 100003}) {
    AdamW op{normal({n}), normal({n}), normal({n}), normal({n})};
    for (std::int64_t i = 0; i < n; ++i) {
      op.v.as<float>()[i] = std::abs(op.v.as<float>()[i]);
    }
    op.factor = normal({1});
    op.lr = 1e-2F;
    op.decay = 0.1F;
    op.bias1 = 0.1F;
    op.bias2 = 0.001F;
    expect_agreement(op);
    op.copy = poison({n}, DType::kBF16);
    expect_agreement(op);
    op.decay = 30.0F;  // so that it shows where there is any
    op.decays = {{-4, 0, 2, 9, 64, 1000, 99999, n}, 8};
    std::sort(op.decays.at.begin(), op.decays.at.begin() + 8);
    expect_agreement(op);
    op.factor.as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
    expect_agreement(op);
  }
}

TEST_P(CudaF32Kernels, DrawTheSameNormals) {
  for (const std::int64_t first : {0, 1, 12345}) {
    expect_agreement(FillNormal{poison({100001}), 0.02F, random()(), 7, first});
  }
}

TEST_P(CudaF32Kernels, CastBetweenAllTypes) {
  const DType all[] = {DType::kF32, DType::kBF16, DType::kF64, DType::kI32};
  const TensorView x = normal({1001}, 30.0F);
  for (const DType from : all) {
    const TensorView mine = poison({1001}, from);
    expect_agreement(Cast{x, mine});
    for (const DType to : all) {
      expect_agreement(Cast{mine, poison({1001}, to)});
    }
  }
}

TEST_P(CudaF32Kernels, FindTheOneThatIsNotFinite) {
  const TensorView x = normal({70001});
  expect_agreement(AllFinite{x, poison({1})});
  x.as<float>()[70000] = std::numeric_limits<float>::infinity();
  expect_agreement(AllFinite{x, poison({1})});
}

TEST_P(CudaF32Kernels, RefuseWhatDoesNotFit) {
  EXPECT_THROW(kernels().add(stream(), normal({3}), normal({4})),
               std::exception);
  const AttentionShape big{1, 1, 1, 1, 300};
  const AttentionForward op{big, normal({1, 900}), poison({1, 300}),
                            poison({1, 1, 1})};
  EXPECT_THROW(kernels().attention_forward(stream(), op), std::exception);
}

INSTANTIATE_TEST_SUITE_P(Types, CudaF32Kernels, testing::Values(DType::kF32),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace cairn
