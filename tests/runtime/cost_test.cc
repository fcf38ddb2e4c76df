#include "runtime/cost.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

CostModel model() {
  CostModel costs;
  costs.flops_per_second = 1e9;
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
  costs.seconds_of["some"] = 1.5e-6;
  EXPECT_EQ(costs.kernel(Fill{}, "some").count(), 1500);
  EXPECT_EQ(costs.kernel(Fill{}, "other").count(), 1000);
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
