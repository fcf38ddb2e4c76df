#include "launcher/efficiency.h"

#include <gtest/gtest.h>

#include "runtime/model.h"

namespace cairn {
namespace {

RunDevices cards(int here, int elsewhere, double peak) {
  RunDevices devices;
  for (int i = 0; i < here + elsewhere; ++i) {
    devices.cards.push_back({"NVIDIA H200", std::to_string(i)});
    if (i < here) devices.here.push_back(std::to_string(i));
  }
  devices.peak_flops = peak;
  return devices;
}

StepRecord step(double ms, double tokens) {
  StepRecord record;
  record.step_ms = ms;
  record.tokens_per_s = 1e3 * tokens / ms;
  return record;
}

// 6 for each weight in a matrix product, the tied head's once, and 6 L H D T.
TEST(Efficiency, CountsAsDocsPerformanceSays) {
  ModelConfig config;
  config.layers = 12;
  config.width = 768;
  config.heads = 12;
  config.vocab = 50257;
  config.context = 1024;
  const Model model(built_in_families().make(config));
  const double matrices = 12.0 * 12 * 768 * 768 + 50257.0 * 768;
  const double attention = 6.0 * 12 * 12 * 64 * 1024;

  EXPECT_DOUBLE_EQ(model.flops_per_token({8, 1024}), 6 * matrices + attention);
}

TEST(Efficiency, IsTheArithmeticOfAllRanksOverTheSumOfTheirPeaks) {
  const Efficiency efficiency(cards(2, 2, 4e12), 1e9, {});
  StepRecord record = step(500, 1000);

  efficiency.add_to(record, 1000);

  EXPECT_DOUBLE_EQ(record.mfu.value(), 2000 * 1e9 / 4e12);
  EXPECT_FALSE(record.power_w);
  EXPECT_EQ(efficiency.unknown(), "");
}

TEST(Efficiency, SaysOfWhichCardThePeakIsNotKnown) {
  RunDevices devices = cards(1, 0, 0);
  devices.peak_flops.reset();
  devices.unknown = "NVIDIA H300";
  const Efficiency efficiency(devices, 1e9, {});
  StepRecord record = step(500, 1000);

  efficiency.add_to(record, 1000);

  EXPECT_FALSE(record.mfu);
  EXPECT_NE(efficiency.unknown().find("NVIDIA H300"), std::string::npos);
  EXPECT_NE(efficiency.unknown().find("NVIDIA L40S"), std::string::npos);
}

TEST(Efficiency, GivesTheEnergyOfAStepToItsTokens) {
  StepRecord record = step(500, 1000);

  add_power(record, {600.0, 1700.0, 61.0}, cards(1, 0, 1e12), 1000);

  EXPECT_EQ(record.power_w, 600.0);
  EXPECT_DOUBLE_EQ(record.joules_per_token.value(), 0.3);
  EXPECT_EQ(record.sm_clock_mhz, 1700.0);
  EXPECT_EQ(record.temperature_c, 61.0);
}

TEST(Efficiency, GivesThisHostsEnergyToThisHostsPartOfTheTokens) {
  StepRecord record = step(500, 1000);

  add_power(record, {600.0, 1700.0, 61.0}, cards(2, 6, 8e12), 1000);

  EXPECT_DOUBLE_EQ(record.joules_per_token.value(), 300.0 / 250);
}

TEST(Efficiency, HasNoEnergyWhereNoMeterTellsIt) {
  StepRecord record = step(500, 1000);

  add_power(record, {std::nullopt, 1700.0, std::nullopt}, cards(1, 0, 1e12),
            1000);

  EXPECT_FALSE(record.power_w);
  EXPECT_FALSE(record.joules_per_token);
  EXPECT_EQ(record.sm_clock_mhz, 1700.0);
}

}  // namespace
}  // namespace cairn
