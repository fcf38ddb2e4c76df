#include "tests/runtime/kernel_lab.h"

namespace cairn {
namespace {

constexpr std::int64_t kWidth = 33;

class HeadKernels : public KernelTest {};

TEST_F(HeadKernels, MeasureTheLossAndItsGradient) {
  constexpr std::int64_t kTokens = 7;
  constexpr std::int64_t kVocab = 65;
  Lab lab(2);
  ReferenceKernels reference;
  Singles x = normal({kTokens, kWidth});
  Singles w = normal({kVocab, kWidth});
  for (float& value : w.data) value *= 0.3F;
  Integers targets = below(kTokens, kVocab);
  Singles logits(head_logits(kTokens, kVocab, DType::kF32));
  Singles losses({kTokens});
  Singles mean({1});
  Singles dx({kTokens, kWidth});
  Singles dw({kVocab, kWidth});
  Doubles x64(x);
  Doubles w64(w);
  Doubles losses64({kTokens});
  Doubles mean64({1});
  constexpr float kScale = 0.25F;
  const auto loss = [&] {
    reference.head_loss(lab.stream(), {.x = x64,
                                       .w = w64,
                                       .targets = targets,
                                       .losses = losses64,
                                       .loss = mean64});
    return mean64.data[0] * static_cast<double>(kTokens) *
           static_cast<double>(kScale);
  };
  loss();
  lab(&Kernels::head_loss, HeadLoss{.x = x,
                                    .w = w,
                                    .targets = targets,
                                    .logits = logits,
                                    .losses = losses,
                                    .loss = mean,
                                    .dx = dx,
                                    .dw = dw,
                                    .scale = kScale});
  EXPECT_LT(relative_error(losses.data, losses64.data), 1e-6);
  EXPECT_LT(relative_error(mean.data, mean64.data), 1e-6);
  expect_gradient("x", x64, dx, loss);
  expect_gradient("w", w64, dw, loss);
}

TEST_F(HeadKernels, GiveTheSameOverSeveralChunksOnAnyNumberOfThreads) {
  constexpr std::int64_t kTokens = 100;
  constexpr std::int64_t kVocab = 400001;  // 32 rows a chunk
  ASSERT_EQ(head_logits(kTokens, kVocab, DType::kF32)[0], 32);
  Singles x = normal({kTokens, 3});
  Singles w = normal({kVocab, 3});
  Integers targets = below(kTokens, kVocab);
  Singles logits({32, kVocab});
  expect_same_bits([&](Lab& body) {
    Singles losses({kTokens});
    Singles mean({1});
    Singles dx({kTokens, 3});
    Singles dw({kVocab, 3});
    body(&Kernels::head_loss, HeadLoss{.x = x,
                                       .w = w,
                                       .targets = targets,
                                       .logits = logits,
                                       .losses = losses,
                                       .loss = mean,
                                       .dx = dx,
                                       .dw = dw});
    return std::vector<Singles>{losses, mean, dx, dw};
  });
}

TEST_F(HeadKernels, CutIntoEvenChunks) {
  EXPECT_EQ(head_logits(1024, 50257, DType::kF32), Shape({256, 50257}));
  EXPECT_EQ(head_logits(7, 65, DType::kF32), Shape({7, 65}));
  EXPECT_EQ(head_logits(4096, 65, DType::kF32), Shape({4096, 65}));
  EXPECT_EQ(head_logits(65536, 50257, DType::kBF16), Shape({8192, 50264}));
  EXPECT_EQ(head_logits(32768, 128256, DType::kBF16), Shape({8192, 128256}));
  EXPECT_EQ(head_logits(16384, 128256, DType::kBF16), Shape({4096, 128256}));
  EXPECT_EQ(head_logits(4096, 50304, DType::kBF16), Shape({2048, 50304}));
  EXPECT_EQ(head_logits(1000, 50304, DType::kBF16), Shape({1000, 50304}));
}

}  // namespace
}  // namespace cairn
