#include "launcher/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

namespace cairn {
namespace {

double field(const std::string& line, const std::string& name) {
  const auto at = line.find('"' + name + "\":");
  return std::strtod(line.c_str() + at + name.size() + 3, nullptr);
}

TEST(Metrics, ReadBackToTheSameBits) {
  for (const double value : {0.1, 1.0 / 3.0, 1e-310, 4.2f * 1.0, 1e22, -0.0}) {
    StepRecord record;
    record.loss = value;
    record.grad_norm = value / 7.0;

    const std::string line = step_line(record);

    EXPECT_EQ(field(line, "loss"), value);
    EXPECT_EQ(std::signbit(field(line, "loss")), std::signbit(value));
    EXPECT_EQ(field(line, "grad_norm"), value / 7.0);
  }
}

TEST(Metrics, HaveEveryKeyAndNullForWhatIsNotFinite) {
  StepRecord record;
  record.step = 3;
  record.loss = NAN;
  record[Phase::kOptimizer] = 1.5;

  EXPECT_EQ(step_line(record),
            "{\"step\":3,\"loss\":null,\"grad_norm\":0,\"lr\":0,\"tokens\":0,"
            "\"tokens_per_s\":0,\"step_ms\":0,\"mfu\":null,"
            "\"power_w\":null,\"joules_per_token\":null,"
            "\"sm_clock_mhz\":null,\"temperature_c\":null,"
            "\"device_peak_bytes\":0,\"host_peak_bytes\":0,"
            "\"offload_bytes\":0,\"ms\":{\"compute\":0,\"recompute\":0,"
            "\"optimizer\":1.5,\"data\":0,\"communication\":0,"
            "\"bubble\":0,\"offload\":0,\"snapshot\":0,\"other\":0}}");
}

TEST(Metrics, HaveWhatTheDriverTells) {
  StepRecord record;
  record.mfu = 0.5;
  record.power_w = 650.5;
  record.joules_per_token = 0.25;
  record.sm_clock_mhz = 1755;
  record.temperature_c = 61;

  EXPECT_NE(step_line(record).find(
                "\"mfu\":0.5,\"power_w\":650.5,\"joules_per_token\":0.25,"
                "\"sm_clock_mhz\":1755,\"temperature_c\":61,"),
            std::string::npos);
}

TEST(Metrics, HaveEventLines) {
  EXPECT_EQ(evaluation_line(5, 1.25),
            "{\"event\":\"eval\",\"step\":5,\"valid_loss\":1.25}");
  EXPECT_EQ(end_line(9, "ab", 2.5),
            "{\"event\":\"end\",\"steps\":9,\"weights_hash\":\"ab\","
            "\"loss\":2.5}");
}

}  // namespace
}  // namespace cairn
