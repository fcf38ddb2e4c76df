#include "runtime/cost.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace cairn {
namespace {

CostModel model() {
  CostModel costs;
  costs.f32.flops_per_second = 1e9;
  costs.bytes_per_second = 1e8;
  costs.kernel_overhead = 1e-6;
  costs.link = {5e-6, 1e9, 2e9};
  costs.network = {50e-6, 1e8, 2e9};
  return costs;
}

TEST(KernelCost, IsTheLongerOfProductsAndBytesWithTheOverhead) {
  std::byte place{};
  LinearForward op;
  op.x = {&place, DType::kF32, {1, 1000}};
  op.w = {&place, DType::kF32, {1000, 1000}};
  op.y = {&place, DType::kF32, {1, 1000}};
  // 2e6 flops, 4e6 bytes and some
  EXPECT_EQ(model().kernel(op, "").count(), 1000 + 40'080'000);
  op.x.shape = {1000, 1000};
  op.y.shape = {1000, 1000};
  EXPECT_EQ(model().kernel(op, "").count(), 1000 + 2'000'000'000);
}

TEST(KernelCost, IsWhatWasMeasuredForTheKey) {
  CostModel costs = model();
  costs.measured["some"].seconds = 1.5e-6;
  EXPECT_EQ(costs.kernel(Fill{}, "some").count(), 1500);
  EXPECT_EQ(costs.kernel(Fill{}, "other").count(), 1000);
}

TEST(KernelCost, IsThatOfTheModeOfTheRun) {
  CostModel costs = model();
  costs.measured["some"].seconds = 2e-6;
  costs.measured_fast["some"].seconds = 1e-6;
  costs.bf16.backward_fast.flops_per_second =
      2 * costs.bf16.backward.flops_per_second;

  const CostModel steady = costs.in_mode(true);
  const CostModel fast = costs.in_mode(false);

  EXPECT_EQ(steady.kernel(Fill{}, "some").count(), 2000);
  EXPECT_EQ(fast.kernel(Fill{}, "some").count(), 1000);
  EXPECT_EQ(fast.bf16.backward.flops_per_second,
            2 * steady.bf16.backward.flops_per_second);
  costs.measured_fast.clear();
  EXPECT_EQ(costs.in_mode(false).kernel(Fill{}, "some").count(), 2000);
}

// A linear layer of m tokens, from k to n, in bf16.
LinearForward layer(std::int64_t m, std::int64_t n, std::int64_t k) {
  static std::byte place{};
  LinearForward op;
  op.x = {&place, DType::kBF16, {m, k}};
  op.w = {&place, DType::kBF16, {n, k}};
  op.y = {&place, DType::kBF16, {m, n}};
  return op;
}

// A card on which layers of some sizes took so much more than by rates.
CostModel measured_card(
    const std::vector<std::pair<LinearForward, double>>& measured) {
  CostModel costs = *shipped_costs("h200");
  for (const auto& [op, excess] : measured) {
    const OpProfile profile = profile_of(op);
    costs.measured[key_of(op)] = {excess * costs.by_rates(profile), profile};
  }
  return costs;
}

double seconds_of(const CostModel& costs, const LinearForward& op) {
  return costs.estimate(profile_of(op), key_of(op));
}

TEST(Estimate, IsExactWhereItWasMeasured) {
  const LinearForward near = layer(4096, 3072, 768);
  const CostModel costs =
      measured_card({{near, 1.3}, {layer(8192, 3072, 768), 0.9}});

  EXPECT_NEAR(seconds_of(costs, near), costs.measured.at(key_of(near)).seconds,
              1e-9);
  EXPECT_EQ(costs.kernel(near, key_of(near)).count(),
            std::llround(1e9 * costs.measured.at(key_of(near)).seconds));
}

TEST(Estimate, LiesBetweenWhatIsAroundIt) {
  const CostModel costs = measured_card(
      {{layer(4096, 3072, 768), 1.3}, {layer(16384, 3072, 768), 0.9}});
  const LinearForward between = layer(8192, 3072, 768);
  const double alone = costs.by_rates(profile_of(between));

  EXPECT_GT(seconds_of(costs, between), 0.9 * alone);
  EXPECT_LT(seconds_of(costs, between), 1.3 * alone);
  // As far from one as from the other.
  EXPECT_NEAR(seconds_of(costs, between), std::sqrt(0.9 * 1.3) * alone,
              1e-6 * alone);
}

TEST(Estimate, GrowsWithTheSizes) {
  const CostModel costs = measured_card({{layer(2048, 2048, 2048), 1.2},
                                         {layer(16384, 2048, 2048), 1.05},
                                         {layer(65536, 8192, 2048), 1.0}});
  double last = 0;
  for (std::int64_t m = 1024; m <= 131072; m *= 2) {
    const double seconds = seconds_of(costs, layer(m, 4096, 2048));
    EXPECT_GT(seconds, 1.2 * last) << m;
    last = seconds;
  }
}

TEST(Estimate, TakesTheVerbWhereNothingOfTheFamilyWasMeasured) {
  const CostModel costs = measured_card({{layer(4096, 3072, 768), 1.5}});
  LinearForward other = layer(4096, 3072, 768);
  other.activation = Activation::kGelu;
  const Gelu pass{other.x, other.y};

  EXPECT_NEAR(seconds_of(costs, other), 1.5 * costs.by_rates(profile_of(other)),
              1e-12);
  EXPECT_EQ(costs.estimate(profile_of(pass), key_of(pass)),
            costs.by_rates(profile_of(pass)));
}

TEST(ShippedCosts, AreOfCardsAndOfACpu) {
  EXPECT_EQ(shipped_costs("cpu")->processors, 0);
  EXPECT_GT(shipped_costs("h200")->bytes_per_second,
            shipped_costs("h100")->bytes_per_second);
  EXPECT_EQ(shipped_costs("abacus"), std::nullopt);
}

// As PyTorch called cuDNN and cuBLAS on an H200, in TFLOP/s.
TEST(ShippedCosts, ComeNearToWhatWasMeasuredOnTheCard) {
  const CostModel costs = *shipped_costs("h200");
  const auto tflops = [&](const KernelOp& op) {
    return 1e-12 * flops(op) / costs.by_rates(profile_of(op));
  };
  AttentionForward attention;
  attention.shape = {4, 8192, 32, 8, 64};
  std::byte place{};
  attention.qkv = {&place, DType::kBF16, {32768, 3072}};
  attention.out = {&place, DType::kBF16, {32768, 2048}};
  attention.lse = {&place, DType::kF32, {4, 32, 8192}};

  EXPECT_NEAR(tflops(layer(65536, 2304, 768)) / 618, 1, 0.1);
  EXPECT_NEAR(tflops(layer(16384, 1600, 6400)) / 725, 1, 0.1);
  EXPECT_NEAR(tflops(attention) / 444, 1, 0.1);
}

TEST(ExchangeCost, GrowsWithWhatARankMustGetAndAdd) {
  const CostModel costs = model();
  const std::vector<int> ranks{0, 1, 2, 3};
  const auto took = [&](Exchange kind) {
    return costs.exchange(kind, 4000, ranks).count();
  };
  EXPECT_EQ(took(Exchange::kAllGather), 5000 + 3000);
  EXPECT_EQ(took(Exchange::kReduceScatter), 5000 + 3000 + 2000);
  EXPECT_EQ(took(Exchange::kAllReduce), 10000 + 6000 + 2000);
  EXPECT_EQ(took(Exchange::kBroadcast), 5000 + 4000);
  EXPECT_EQ(took(Exchange::kBarrier), 5000);
}

TEST(ExchangeCost, IsOfTheNetworkWhereRanksAreOnSeveralNodes) {
  CostModel costs = model();
  const auto took = [&](const std::vector<int>& ranks) {
    return costs.exchange(Exchange::kSend, 1000, ranks).count();
  };
  EXPECT_EQ(took({1, 2}), 5000 + 1000);
  costs.ranks_per_node = 2;
  EXPECT_EQ(took({0, 1}), 5000 + 1000);
  EXPECT_EQ(took({1, 2}), 50000 + 10000);
}

}  // namespace
}  // namespace cairn
