#include "launcher/bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "launcher/bench/exchanges.h"
#include "launcher/bench/floor.h"
#include "launcher/bench/grid.h"
#include "launcher/costs.h"
#include "layout_cases.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

BenchReport report_of(const PlanRequest& run) {
  BenchRequest request;
  request.backend = run.backend_options();
  request.run = &run;
  request.activations = "keep";
  return run_bench(request);
}

TEST(Bench, TimesEveryKernelOfAStepAndSumsItsFloor) {
  const LayoutCase layout{1, 1};
  const Model model = model_of(layout);
  const PlanRequest run{model, options_of(layout), 1};

  const BenchReport report = report_of(run);

  const auto kernels = step_kernels(run, "keep", 0);
  ASSERT_EQ(report.kernels.size(), kernels.size());
  double sum = 0;
  for (const KernelRate& rate : report.kernels) {
    const auto kernel =
        std::find_if(kernels.begin(), kernels.end(),
                     [&](const SimKernel& k) { return k.key == rate.key; });
    ASSERT_NE(kernel, kernels.end()) << rate.key;
    EXPECT_EQ(rate.calls, kernel->calls) << rate.key;
    EXPECT_GT(rate.seconds, 0.0) << rate.key;
    EXPECT_GE(rate.floor_seconds, 0.0) << rate.key;
    EXPECT_LE(rate.floor_seconds, rate.seconds) << rate.key;
    sum += static_cast<double>(rate.calls) * rate.seconds;
  }
  EXPECT_DOUBLE_EQ(report.kernel_seconds(), sum);
  EXPECT_GT(report.floor_seconds(), 0.0);
  EXPECT_GT(report.ceilings.bytes_per_second, 0.0);
  EXPECT_GT(report.ceilings.f32_flops_per_second, 0.0);
  EXPECT_EQ(report.ceilings.bf16_flops_per_second, 0.0);
}

TEST(Bench, MeasuresStepsOfARunOfOneRank) {
  const LayoutCase layout{1, 1};
  const Model model = model_of(layout);
  const PlanRequest run{model, options_of(layout), 1};
  BenchRequest request;
  request.backend = run.backend_options();
  request.run = &run;
  request.activations = "keep";
  request.collectives = request.copies = false;
  request.step_seconds = 1e-3;

  const BenchReport report = run_bench(request);

  ASSERT_TRUE(report.step.has_value());
  EXPECT_GT(report.step->seconds, 0.0);
  EXPECT_GE(report.step->predicted_seconds, 0.999 * report.kernel_seconds());
  EXPECT_FALSE(report.step->watts.has_value());
}

TEST(Bench, RefusesToMeasureStepsOfSeveralRanks) {
  const LayoutCase layout{2, 1};
  const Model model = model_of(layout);
  const PlanRequest run{model, options_of(layout), 1};
  BenchRequest request;
  request.run = &run;
  request.kernels = request.collectives = request.copies = false;
  request.step_seconds = 1e-3;

  const Error error = thrown([&] { run_bench(request); });

  EXPECT_EQ(error.message(),
            "cairn bench step measures a run of one rank, and this one has 2; "
            "set parallel.pipeline and parallel.data to 1");
}

TEST(Bench, ExchangesBetweenTheRanksOfTheRun) {
  const LayoutCase layout{2, 1};
  const Model model = model_of(layout);
  const PlanRequest run{model, options_of(layout), 1};
  BenchRequest request;
  request.run = &run;
  request.backend = run.backend_options();
  request.kernels = request.copies = false;

  const BenchReport report = run_bench(request);

  EXPECT_EQ(report.ranks, 2);
  std::set<Exchange> kinds;
  for (const ExchangeRate& rate : report.exchanges) {
    kinds.insert(rate.kind);
    EXPECT_GT(rate.seconds, 0.0);
    EXPECT_GT(rate.bus_bytes_per_second, 0.0);
  }
  EXPECT_EQ(kinds.size(), 5U);
  EXPECT_FALSE(report.copies.has_value());
  EXPECT_TRUE(report.kernels.empty());
  EXPECT_NE(report.costs.link.bytes_per_second, Link{}.bytes_per_second);
}

TEST(BenchJson, HasWhatTheReportHas) {
  BenchReport report;
  report.device = "abacus";
  report.ceilings = {1e9, 2e9, 0};
  report.kernels = {{"gelu x=f32[2, 3]", 4, 0.5, 0.25, {}, 0.75}};
  report.step = StepRate{3.0, 2.5, 600.0, {}};
  report.copies = CopyRates{};
  report.copies->both = 3e9;
  report.ranks = 2;
  report.exchanges = {{Exchange::kAllReduce, 64, 0.5, 128}};

  const auto json = nlohmann::json::parse(bench_json(report));

  EXPECT_EQ(json["device"], "abacus");
  EXPECT_EQ(json["ceilings"]["f32_flops_per_second"], 2e9);
  EXPECT_EQ(json["kernels"][0]["calls"], 4);
  EXPECT_EQ(json["kernels"][0]["fraction_of_ceiling"], 0.75);
  EXPECT_EQ(json["kernel_seconds"], 2.0);
  EXPECT_EQ(json["floor_seconds"], 1.0);
  EXPECT_EQ(json["step"]["seconds"], 3.0);
  EXPECT_EQ(json["step"]["predicted_seconds"], 2.5);
  EXPECT_EQ(json["step"]["power_w"], 600.0);
  EXPECT_TRUE(json["step"]["sm_clock_mhz"].is_null());
  EXPECT_EQ(json["copies"]["both_bytes_per_second"], 3e9);
  EXPECT_EQ(json["exchanges"][0]["exchange"], "all_reduce");
  EXPECT_EQ(json["exchanges"][0]["bus_bytes_per_second"], 128);
}

TEST(Floor, OfAHeadIsItsProductsAndOneWayThroughItsLogits) {
  std::byte place{};
  HeadLoss head;
  head.x = {&place, DType::kF32, {64, 8}};
  head.w = {&place, DType::kF32, {100, 8}};
  head.logits = {&place, DType::kF32, {16, 100}};
  head.dx = head.x;
  head.dw = head.w;
  const Ceilings ceilings{1e9, 1e9, 0};
  std::map<std::string, MeasuredOp> parts;
  double products = 0;
  for (const InnerProduct& product : inner_products(head)) {
    EXPECT_EQ(product.times, 4);
    const OpProfile profile = profile_of(product.op);
    parts[key_of(product.op)] = {0.01, profile};
    products += product.times * profile.flops;
  }

  EXPECT_EQ(products, flops(head));
  EXPECT_DOUBLE_EQ(floor_of(head, {1.0, profile_of(head)}, parts, ceilings),
                   4 * 3 * 0.01 + 2 * 64 * 100 * 4 / 1e9);
}

TEST(Floor, OfAProductIsItBareAndTheBytesOfWhatIsFusedToIt) {
  std::byte place{};
  LinearForward op;
  op.x = {&place, DType::kF32, {16, 8}};
  op.w = {&place, DType::kF32, {4, 8}};
  op.y = {&place, DType::kF32, {16, 4}};
  const KernelOp bare = op;
  const std::map<std::string, MeasuredOp> parts{
      {key_of(bare), {0.5, profile_of(bare)}}};
  const Ceilings ceilings{1e3, 1, 1};
  EXPECT_DOUBLE_EQ(floor_of(bare, {1.0, profile_of(bare)}, parts, ceilings),
                   0.5);

  op.bias = {&place, DType::kF32, {4}};
  op.residual = {&place, DType::kF32, {16, 4}};

  EXPECT_DOUBLE_EQ(floor_of(op, {1.0, profile_of(op)}, parts, ceilings),
                   0.5 + (4 + 64) * 4 / 1e3);
}

TEST(Floor, OfAPassIsItsBytesAtTheCeiling) {
  std::byte place{};
  const TensorView x{&place, DType::kF32, {250}};
  const Gelu gelu{x, x};
  const MeasuredOp whole{1.0, profile_of(gelu)};

  EXPECT_DOUBLE_EQ(floor_of(gelu, whole, {}, {1e6, 1, 1}), 2e-3);
  EXPECT_DOUBLE_EQ(floor_of(gelu, whole, {}, {1.0, 1, 1}), 1.0);
}

TEST(LinkOf, GivesBackTheTimesThatItWasMadeFrom) {
  CostModel costs;
  costs.link = {4e-5, 3e9, 2e9};
  std::vector<ExchangeRate> rates;
  for (const auto kind :
       {Exchange::kAllGather, Exchange::kReduceScatter, Exchange::kSend}) {
    for (const std::size_t bytes :
         {std::size_t{4} << 10, std::size_t{1} << 20, std::size_t{32} << 20}) {
      const auto took = costs.exchange(kind, bytes, {0, 1, 2, 3});
      rates.push_back({kind, bytes, 1e-9 * static_cast<double>(took.count())});
    }
  }

  const Link link = link_of(rates, 4, {});

  EXPECT_NEAR(link.bytes_per_second / costs.link.bytes_per_second, 1, 1e-2);
  EXPECT_NEAR(link.sum_bytes_per_second / costs.link.sum_bytes_per_second, 1,
              1e-2);
  EXPECT_EQ(link_of({}, 1, costs.link).latency, costs.link.latency);
}

// A plan for a device must find every verb of a step in the grid's.
TEST(Grid, HasEveryVerbOfAStep) {
  std::set<std::string> grid;
  for (const Load& load : grid_of(Device::Kind::kCuda, true)) {
    for (const LoadOp& one : load) grid.insert(name_of(one.op));
  }
  for (const bool tied : {false, true}) {
    ModelConfig config;
    config.family = tied ? "gpt2" : "llama";
    config.tied = tied;
    const Model model(built_in_families().make(config));
    const PlanRequest run{model, options_of({1, 1}), 1};
    for (const SimKernel& kernel : step_kernels(run, "boundary", 0)) {
      EXPECT_TRUE(grid.contains(name_of(kernel.op))) << kernel.key;
    }
  }
}

TEST(AddMost, KeepsEachKeyOnceWithItsMostCalls) {
  std::vector<SimKernel> kernels{{"a", Fill{}, 2}, {"b", Fill{}, 5}};

  add_most(kernels, {{"b", Fill{}, 3}, {"c", Fill{}, 1}, {"a", Fill{}, 4}});

  ASSERT_EQ(kernels.size(), 3U);
  EXPECT_EQ(kernels[0].calls, 4);
  EXPECT_EQ(kernels[1].calls, 5);
  EXPECT_EQ(kernels[2].key, "c");
}

TEST(MeasuredCosts, AreThereForEveryKernelOfARun) {
  const LayoutCase layout{1, 1};
  const Model model = model_of(layout);
  const PlanRequest request{model, options_of(layout), 1};

  const CostModel costs = measure_costs(request, "keep");

  for (const KernelOp& op : plan_kernels(request, "keep")) {
    const auto found = costs.measured.find(key_of(op));
    ASSERT_NE(found, costs.measured.end()) << key_of(op);
    EXPECT_GT(found->second.seconds, 0.0);
  }
  EXPECT_GT(costs.link.bytes_per_second, 0.0);
  EXPECT_GT(costs.link.sum_bytes_per_second, 0.0);
}

}  // namespace
}  // namespace cairn
