#include "runtime/attention_scratch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "runtime/backend.h"
#include "runtime/blocks.h"
#include "runtime/ledger.h"
#include "tests/support/test_seed.h"

namespace cairn {
namespace {

TEST(AttentionScratch, IsNoneInF32) {
  EXPECT_EQ(attention_scratch({2, 64, 4, 2, 16}, DType::kF32, true), 0);
  EXPECT_EQ(attention_scratch({2, 64, 4, 2, 16}, DType::kF32, false), 0);
}

TEST(AttentionScratch, HoldsTheSumsOfDqAndOfSharedKeysWhenBitsMayDiffer) {
  constexpr std::int64_t kCall = kCudnnCallBytes / 4;

  EXPECT_EQ(attention_scratch({2, 64, 4, 4, 16}, DType::kBF16, false),
            2 * 4 * 64 * (16 + 1) + kCall);
  EXPECT_EQ(attention_scratch({2, 64, 4, 1, 16}, DType::kBF16, false),
            2 * 4 * 64 * (2 * 16 + 1) + kCall);
}

TEST(AttentionScratch, HoldsTheScoresOfAllHeadsOrWhatTheMlpLeft) {
  std::mt19937_64 random(test_seed());
  const auto draw = [&](std::int64_t most) {
    return 1 + static_cast<std::int64_t>(random() % most);
  };
  int whole = 0;
  int parts = 0;
  int none = 0;
  for (int i = 0; i < 500; ++i) {
    AttentionShape s{draw(16), draw(2048), 0, draw(4), 8 * draw(16)};
    s.heads = s.kv_heads * draw(4);
    SCOPED_TRACE("CAIRN_TEST_SEED=" + std::to_string(test_seed()));
    const std::int64_t sums = s.samples * s.heads * s.sequence;
    const std::int64_t all =
        s.samples * s.kv_heads * steady_head_bytes(s) + kCudnnCallBytes;

    const std::int64_t bytes = 4 * attention_scratch(s, DType::kBF16, true);

    EXPECT_GE(bytes, 4 * sums);
    EXPECT_LE(bytes, std::min(all, 16 * sums * s.head_size));
    whole += bytes == all ? 1 : 0;
    none += bytes == 4 * sums ? 1 : 0;
    if (bytes == all || bytes == 4 * sums) continue;
    ++parts;
    EXPECT_GE(bytes, steady_head_bytes(s) + kCudnnCallBytes);
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(parts, 0);
  EXPECT_GT(none, 0);
}

// The most bytes of workspace in use at once in a block's backward.
std::size_t workspace_of_backward(const BlockShape& shape, bool deterministic) {
  const auto backend = make_backend("sim", {});
  const auto stream = backend->make_stream("compute");
  const auto kernels = backend->make_kernels({});
  Ledger ledger(backend->memory());
  const auto block = make_gpt2_block("b", shape);
  std::vector<Tensor> held;
  std::vector<TensorView> parameters;
  std::vector<TensorView> gradients;
  for (const ParameterSpec& spec : block->parameters()) {
    held.emplace_back(ledger, *stream, Owner::kParameters, DType::kBF16,
                      spec.shape);
    parameters.push_back(held.back());
    held.emplace_back(ledger, *stream, Owner::kGradients, DType::kF32,
                      spec.shape);
    gradients.push_back(held.back());
  }
  Call call{*kernels, *stream, ledger, DType::kBF16, {3, 96}};
  call.parameters = parameters;
  call.gradients = gradients;
  call.deterministic = deterministic;
  const Tensor input = call.make(Owner::kActivations, {288, shape.width});
  Saved saved;
  Tensor dy = block->forward(call, input, &saved);
  block->backward(call, std::move(dy), std::move(saved));
  return ledger.peak(Owner::kWorkspace);
}

TEST(AttentionScratch, IsTakenByTheBlockAsTheKernelsWereAskedToBe) {
  BlockShape shape;
  shape.width = 256;
  shape.heads = shape.kv_heads = 4;
  shape.ffn = 512;

  for (const bool deterministic : {true, false}) {
    EXPECT_EQ(workspace_of_backward(shape, deterministic),
              padded(static_cast<std::size_t>(
                  4 * attention_scratch({3, 96, 4, 4, 64}, DType::kBF16,
                                        deterministic))));
  }
}

}  // namespace
}  // namespace cairn
