#include "launcher/costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "layout_cases.h"
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
    std::ifstream in(file());
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
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
  costs.flops_per_second = 1e11 / 3;
  costs.bytes_per_second = 7.1e9;
  costs.kernel_overhead = 0.0;
  costs.event_overhead = 1e-7 / 3;
  costs.copy_latency = 3e-6;
  costs.copy_bytes_per_second = 9e9;
  costs.link = {1e-5, 2e9, 3e9};
  costs.network = {4e-5, 5e8, 6e8};
  costs.ranks_per_node = 8;
  costs.seconds_of = {{"gelu x=f32[2, 3]", 1.0 / 3}, {"a \"b\" \\", 2e-300}};

  write_costs(costs, file());
  const CostModel back = read_costs(file());

  EXPECT_EQ(back.flops_per_second, costs.flops_per_second);
  EXPECT_EQ(back.bytes_per_second, costs.bytes_per_second);
  EXPECT_EQ(back.kernel_overhead, costs.kernel_overhead);
  EXPECT_EQ(back.event_overhead, costs.event_overhead);
  EXPECT_EQ(back.copy_latency, costs.copy_latency);
  EXPECT_EQ(back.copy_bytes_per_second, costs.copy_bytes_per_second);
  EXPECT_EQ(back.link.latency, costs.link.latency);
  EXPECT_EQ(back.link.bytes_per_second, costs.link.bytes_per_second);
  EXPECT_EQ(back.link.sum_bytes_per_second, costs.link.sum_bytes_per_second);
  EXPECT_EQ(back.network.latency, costs.network.latency);
  EXPECT_EQ(back.network.bytes_per_second, costs.network.bytes_per_second);
  EXPECT_EQ(back.network.sum_bytes_per_second,
            costs.network.sum_bytes_per_second);
  EXPECT_EQ(back.ranks_per_node, costs.ranks_per_node);
  EXPECT_EQ(back.seconds_of, costs.seconds_of);
}

TEST_F(Costs, AreRefusedWhereThereIsNoFile) {
  const Error error = thrown([&] { read_costs("/nowhere/costs.json"); });

  EXPECT_EQ(error.message(),
            "costs file /nowhere/costs.json: it cannot be read; cairn plan "
            "--measure writes one");
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
  refusal_with("\"flops_per_second\": 50000000000.0",
               "\"flops_per_second\": -1.0");
  refusal_with("\"copy_latency\": 2e-06", "\"copy_latency\": -2e-06");
  EXPECT_THAT(refusal_with("\"kernels\": {}", "\"kernels\": {\"gelu\": -1}"),
              HasSubstr("gelu"));
}

TEST_F(Costs, AreMeasuredForEveryKernelOfARun) {
  const LayoutCase layout{1, 1};
  const Model model = model_of(layout);
  const PlanRequest request{model, options_of(layout), 1};

  const CostModel costs = measure_costs(request, "keep");

  for (const KernelOp& op : plan_kernels(request, "keep")) {
    const auto found = costs.seconds_of.find(key_of(op));
    ASSERT_NE(found, costs.seconds_of.end()) << key_of(op);
    EXPECT_GT(found->second, 0.0);
  }
  EXPECT_GT(costs.link.bytes_per_second, 0.0);
  EXPECT_GT(costs.link.sum_bytes_per_second, 0.0);
}

}  // namespace
}  // namespace cairn
