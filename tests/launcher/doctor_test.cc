#include "launcher/doctor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "command_fixture.h"

namespace cairn {
namespace {

Machine node() {
  Machine machine;
  machine.host.cpu = "Big Chip 9";
  machine.host.cores = 16;
  machine.mpi = "Open MPI v4.1.6";
  machine.cuda.built = true;
  machine.cuda.built_for = 13000;
  machine.cuda.cublas_lt = 130103;
  machine.cuda.cublas_lt_cuda = 13000;
  machine.cuda.cudnn = 91900;
  machine.cuda.nccl = 22803;
  CudaDevice device;
  device.card = {"NVIDIA H200", "GPU-1"};
  device.capability = 90;
  device.pcie_most = PcieLink{5, 16};
  device.peers = {1, 3};
  machine.cuda.devices = {device};
  return machine;
}

std::string printed(const std::vector<Finding>& findings) {
  std::ostringstream out;
  print_examination(node(), findings, out);
  return out.str();
}

TEST(Doctor, PrintsVersionsCardsAndLinks) {
  const std::string text = printed({});

  for (const char* part :
       {"Big Chip 9", "13.1.3, made for CUDA 13.0", "9.19.0", "2.28.3",
        "GPU 0  NVIDIA H200", "capability 9.0", "unknown of PCIe 5 x16",
        "reaches 1 3", "Open MPI v4.1.6", "driver          not found"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Doctor, EndsWithWhatFollows) {
  EXPECT_NE(printed({}).find("Ready to train on 1 GPU."), std::string::npos);

  const std::string text = printed({{false, "this is slow"}, {true, "bad"}});

  EXPECT_NE(text.find("note: this is slow.\nproblem: bad.\nTraining is not"),
            std::string::npos)
      << text;
}

TEST(Doctor, WritesTheSameAsJson) {
  const auto json =
      nlohmann::json::parse(examination_json(node(), {{true, "bad"}}));

  EXPECT_EQ(json["host"]["cpu"], "Big Chip 9");
  EXPECT_EQ(json["host"]["lock_limit"], nullptr);
  EXPECT_EQ(json["cuda"]["cudnn"], 91900);
  EXPECT_EQ(json["cuda"]["devices"][0]["name"], "NVIDIA H200");
  EXPECT_EQ(json["cuda"]["devices"][0]["pcie"], nullptr);
  EXPECT_EQ(json["cuda"]["devices"][0]["pcie_most"]["width"], 16);
  EXPECT_EQ(json["findings"][0]["stops"], true);
  EXPECT_EQ(json["findings"][0]["text"], "bad");
}

TEST(Doctor, OfThisMachineEndsAsItsFindingsSay) {
  const CommandEnding ending = run_cairn("doctor --json");

  const auto json = nlohmann::json::parse(ending.text);
  bool stops = false;
  for (const auto& finding : json["findings"]) {
    stops = stops || finding["stops"].get<bool>();
  }
  EXPECT_EQ(ending.code, stops ? 4 : 0);
  EXPECT_GT(json["host"]["cores"], 0);
}

}  // namespace
}  // namespace cairn
