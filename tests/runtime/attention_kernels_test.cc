#include "tests/runtime/kernel_lab.h"

namespace cairn {
namespace {

class AttentionKernels : public KernelTest,
                         public testing::WithParamInterface<AttentionShape> {
 protected:
  double loss() {
    reference.attention_forward(
        lab.stream(), {.shape = s, .qkv = qkv64, .out = out64, .lse = lse64});
    return dot(out64.data, dout.data);
  }

  Lab lab{2};
  ReferenceKernels reference;
  AttentionShape s = GetParam();
  std::int64_t tokens = s.samples * s.sequence;
  Shape out_shape{tokens, s.heads* s.head_size};
  Singles qkv = normal({tokens, s.qkv_width()});
  Singles out{out_shape};
  Singles lse{Shape{s.samples, s.heads, s.sequence}};
  Singles dout = normal(out_shape);
  Singles dqkv{Shape{tokens, s.qkv_width()}};
  Doubles qkv64{qkv};
  Doubles out64{out_shape};
  Doubles lse64{Shape{s.samples, s.heads, s.sequence}};
};

TEST_P(AttentionKernels, AttendToThePast) {
  loss();
  lab(&Kernels::attention_forward,
      AttentionForward{.shape = s, .qkv = qkv, .out = out, .lse = lse});
  EXPECT_LT(relative_error(out.data, out64.data), 2e-6);
  EXPECT_LT(relative_error(lse.data, lse64.data), 1e-6);
}

TEST_P(AttentionKernels, Differentiate) {
  lab(&Kernels::attention_forward,
      AttentionForward{.shape = s, .qkv = qkv, .out = out, .lse = lse});
  lab(&Kernels::attention_backward, AttentionBackward{.shape = s,
                                                      .dout = dout,
                                                      .qkv = qkv,
                                                      .out = out,
                                                      .lse = lse,
                                                      .dqkv = dqkv});
  expect_gradient("qkv", qkv64, dqkv, [&] { return loss(); });
}

TEST_P(AttentionKernels, GiveTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits([&](Lab& body) {
    body(&Kernels::attention_forward,
         AttentionForward{.shape = s, .qkv = qkv, .out = out, .lse = lse});
    body(&Kernels::attention_backward, AttentionBackward{.shape = s,
                                                         .dout = dout,
                                                         .qkv = qkv,
                                                         .out = out,
                                                         .lse = lse,
                                                         .dqkv = dqkv});
    return std::vector<Singles>{out, lse, dqkv};
  });
}

// Rotary turns pairs of channels, so its heads are even.
class RotaryKernel : public AttentionKernels {};

TEST_P(RotaryKernel, TurnsByPositionAndBack) {
  const std::vector<float> before = qkv.data;
  lab(&Kernels::rotary, Rotary{.shape = s, .qkv = qkv});
  reference.rotary(lab.stream(), {.shape = s, .qkv = qkv64});
  EXPECT_LT(relative_error(qkv.data, qkv64.data), 1e-6);
  lab(&Kernels::rotary, Rotary{.shape = s, .qkv = qkv, .inverse = true});
  EXPECT_LT(relative_error(qkv.data, before), 1e-6);
}

std::string name_of_shape(const testing::TestParamInfo<AttentionShape>& test) {
  const AttentionShape& s = test.param;
  return std::to_string(s.samples) + "x" + std::to_string(s.sequence) + "_" +
         std::to_string(s.heads) + "heads_" + std::to_string(s.kv_heads) +
         "kv_of" + std::to_string(s.head_size);
}

const auto kEvenHeads = testing::Values(
    AttentionShape{1, 129, 4, 2, 16}, AttentionShape{2, 33, 6, 1, 8},
    AttentionShape{1, 300, 2, 1, 64}, AttentionShape{1, 600, 2, 2, 20});
INSTANTIATE_TEST_SUITE_P(OddHeads, AttentionKernels,
                         testing::Values(AttentionShape{2, 5, 3, 3, 7}),
                         name_of_shape);
INSTANTIATE_TEST_SUITE_P(EvenHeads, AttentionKernels, kEvenHeads,
                         name_of_shape);
INSTANTIATE_TEST_SUITE_P(EvenHeads, RotaryKernel, kEvenHeads, name_of_shape);

}  // namespace
}  // namespace cairn
