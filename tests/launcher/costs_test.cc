#include "launcher/costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/thrown.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Costs : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cairn-costs-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path file() const { return folder_ / "costs.json"; }

  std::string written() const {
    write_costs(CostModel{}, file());
    return text_of(file());
  }

  static std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  // An operation, and the end of the table that it stands in.
  static std::string op_with(const std::string& seconds,
                             const std::string& kind) {
    return "{\"seconds\": " + seconds + ", \"kind\": \"" + kind +
           "\", \"type\": \"f32\", \"sizes\": [3], \"flops\": 0, "
           "\"bytes\": 24}}";
  }

  // What is said of a file of that text; it names the file.
  std::string refusal(const std::string& text) const {
    std::ofstream(file()) << text;
    const Error error = thrown([&] { read_costs(file()); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    EXPECT_THAT(error.message(),
                HasSubstr("costs file " + file().string() + ": "));
    return error.message();
  }

  std::string refusal_with(const std::string& from,
                           const std::string& to) const {
    std::string text = written();
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return refusal(text.replace(at, from.size(), to));
  }

 private:
  fs::path folder_;
};

TEST_F(Costs, ReadBackAsTheyWereWrittenToTheBit) {
  CostModel costs;
  costs.source = "measured on an abacus";
  costs.f32 = {1e11 / 3, 20, {1e10 / 3, 30, 40}, {1e10 / 7, 50, 60}};
  costs.bf16 = {
      2e11 / 3, 21, {2e10 / 3, 31, 41}, {2e10 / 7, 51, 61}, {3e10 / 7, 52, 62}};
  costs.processors = 132;
  costs.bytes_per_second = 7.1e9;
  costs.kernel_overhead = 0.0;
  costs.event_overhead = 1e-7 / 3;
  costs.kernel_issue = 5e-6 / 3;
  costs.event_issue = 1e-6 / 3;
  costs.copy_latency = 3e-6;
  costs.upload_bytes_per_second = 9e9;
  costs.download_bytes_per_second = 8.5e9;
  costs.link = {1e-5, 2e9, 3e9};
  costs.network = {4e-5, 5e8, 6e8};
  costs.ranks_per_node = 8;
  costs.measured = {
      {"gelu x=f32[2, 3]", {1.0 / 3, {OpClass::kPass, DType::kF32, {2, 3}}}},
      {"a \"b\" \\",
       {2e-300, {OpClass::kProduct, DType::kBF16, {1, 2, 3}, 1e9 / 3, 7}}}};
  costs.measured_fast = {{"fill x=f32[2]", {0.25, {}}}};

  write_costs(costs, file());
  const CostModel back = read_costs(file());

  // What is written again is the same text, but for where it came from.
  CostModel again = back;
  EXPECT_EQ(back.source, costs.source + ", from " + file().string());
  again.source = costs.source;
  const std::string first = text_of(file());
  write_costs(again, file());
  EXPECT_EQ(text_of(file()), first);
  EXPECT_EQ(back.f32.flops_per_second, costs.f32.flops_per_second);
  EXPECT_EQ(back.bf16.backward.half_head, costs.bf16.backward.half_head);
  EXPECT_EQ(back.bf16.backward_fast.half_head, 62);
  ASSERT_EQ(back.measured_fast.size(), 1U);
  EXPECT_EQ(back.measured_fast.begin()->second.seconds, 0.25);
  EXPECT_EQ(back.processors, costs.processors);
  EXPECT_EQ(back.kernel_issue, costs.kernel_issue);
  EXPECT_EQ(back.event_issue, costs.event_issue);
  EXPECT_EQ(back.upload_bytes_per_second, costs.upload_bytes_per_second);
  EXPECT_EQ(back.download_bytes_per_second, costs.download_bytes_per_second);
  EXPECT_EQ(back.link.sum_bytes_per_second, costs.link.sum_bytes_per_second);
  EXPECT_EQ(back.network.latency, costs.network.latency);
  EXPECT_EQ(back.ranks_per_node, costs.ranks_per_node);
  ASSERT_EQ(back.measured.size(), costs.measured.size());
  for (const auto& [key, op] : costs.measured) {
    const MeasuredOp& read = back.measured.at(key);
    EXPECT_EQ(read.seconds, op.seconds) << key;
    EXPECT_EQ(read.profile.kind, op.profile.kind) << key;
    EXPECT_EQ(read.profile.type, op.profile.type) << key;
    EXPECT_EQ(read.profile.sizes, op.profile.sizes) << key;
    EXPECT_EQ(read.profile.flops, op.profile.flops) << key;
    EXPECT_EQ(read.profile.bytes, op.profile.bytes) << key;
  }
}

TEST_F(Costs, OfAMachineThatIsShippedNeedNoFile) {
  EXPECT_EQ(read_costs("h100").source, shipped_costs("h100")->source);
  EXPECT_EQ(default_costs(Device::Kind::kCuda).source,
            shipped_costs("h200")->source);
  EXPECT_EQ(default_costs(Device::Kind::kCpu).source, CostModel{}.source);
}

TEST_F(Costs, AreRefusedWhereThereIsNoFile) {
  const Error error = thrown([&] { read_costs("/nowhere/costs.json"); });

  EXPECT_EQ(error.message(),
            "costs file /nowhere/costs.json: it cannot be read; cairn "
            "bench --costs writes one");
}

TEST_F(Costs, AreRefusedWhenTheyCannotBeWritten) {
  const Error error =
      thrown([] { write_costs(CostModel{}, "/nowhere/costs.json"); });

  EXPECT_THAT(error.message(), HasSubstr("/nowhere/costs.json"));
  EXPECT_THAT(error.message(), HasSubstr("it cannot be written"));
}

TEST_F(Costs, AreRefusedWhenTheyAreNotWholeJson) {
  const std::string whole = written();
  refusal("");
  refusal("no json");
  refusal("[1, 2]");
  refusal(whole.substr(0, whole.size() / 2));
}

TEST_F(Costs, AreRefusedWithAKeyMissingOrOfAnotherType) {
  EXPECT_THAT(refusal_with("link_latency", "link_patience"),
              HasSubstr("link_latency"));
  refusal_with("ranks_per_node", "ranks");
  refusal_with("\"kernels\": {}", "\"kernels\": [3]");
  refusal_with("\"ranks_per_node\": 0", "\"ranks_per_node\": \"0\"");
}

TEST_F(Costs, AreRefusedWithRatesAndTimesThatNoMachineHas) {
  EXPECT_THAT(refusal_with("\"link_bytes_per_second\": 5000000000.0",
                           "\"link_bytes_per_second\": 0"),
              HasSubstr("link_bytes_per_second"));
  refusal_with("\"f32_flops_per_second\": 50000000000.0",
               "\"f32_flops_per_second\": -1.0");
  refusal_with("\"copy_latency\": 2e-06", "\"copy_latency\": -2e-06");
  EXPECT_THAT(refusal_with("\"kernels\": {}",
                           "\"kernels\": {\"gelu\": " + op_with("-1", "pass")),
              HasSubstr("gelu"));
  EXPECT_THAT(refusal_with("\"kernels\": {}",
                           "\"kernels\": {\"gelu\": " + op_with("1", "sum")),
              HasSubstr("kind sum"));
  EXPECT_THAT(refusal_with("\"kernels\": {}", "\"kernels\": {\"gelu\": " +
                                                  op_with("1", "product")),
              HasSubstr("three sizes, not 1"));
}

}  // namespace
}  // namespace cairn
