#include "launcher/diagnosis.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

CudaDevice h200() {
  CudaDevice device;
  device.card = {"NVIDIA H200", "GPU-1"};
  device.capability = 90;
  device.memory_bytes = std::size_t{141} << 30;
  device.free_bytes = std::size_t{140} << 30;
  device.pcie = PcieLink{5, 16};
  device.pcie_most = PcieLink{5, 16};
  return device;
}

// A node that lacks nothing.
Machine node() {
  Machine machine;
  machine.host.cpu = "Big Chip 9";
  machine.host.vectors = {"avx2"};
  machine.host.cores = 16;
  machine.mpi = "Open MPI v4.1.6";
  machine.mpirun = true;
  machine.nccl = true;
  CudaReport& cuda = machine.cuda;
  cuda.built = true;
  cuda.with_cudnn = true;
  cuda.built_for = 13000;
  cuda.driver = "580.159.04";
  cuda.driver_cuda = 13000;
  cuda.runtime = 13000;
  cuda.cublas_lt = 130100;
  cuda.cublas_lt_cuda = 13000;
  cuda.driver_devices = 1;
  cuda.devices = {h200()};
  return machine;
}

// The one finding, as "stops: text" or "note: text".
std::string finding_of(const Machine& machine) {
  const auto findings = diagnose(machine);
  EXPECT_EQ(findings.size(), 1U);
  if (findings.empty()) return "";
  return (findings[0].stops ? "stops: " : "note: ") + findings[0].text;
}

void expect(const Machine& machine, const std::string& severity,
            const std::vector<std::string>& parts) {
  const std::string text = finding_of(machine);
  EXPECT_EQ(text.rfind(severity + ": ", 0), 0U) << text;
  for (const std::string& part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(Diagnosis, FindsNothingOnANodeThatLacksNothing) {
  EXPECT_TRUE(diagnose(node()).empty());
}

TEST(Diagnosis, LetsMachinesWithoutGpusTrainOnCpus) {
  Machine machine = node();
  machine.cuda = {};
  expect(machine, "note", {"built without CUDA"});

  machine = node();
  machine.cuda.driver = "";
  machine.cuda.driver_cuda = 0;
  machine.cuda.driver_devices = 0;
  machine.cuda.devices.clear();
  machine.cuda.fault = "cudaErrorNoDevice";
  expect(machine, "note", {"no NVIDIA driver", "580"});
}

TEST(Diagnosis, StopsWhereGpusAreThereAndCannotBeUsed) {
  Machine machine = node();
  machine.cuda.devices.clear();
  machine.cuda.fault = "cudaErrorNoDevice, no device";
  expect(machine, "stops",
         {"knows, 1, CUDA finds none", "cudaErrorNoDevice",
          "CUDA_VISIBLE_DEVICES"});

  machine.cuda.driver = "";
  machine.host.nvidia_nodes = true;
  expect(machine, "stops", {"libnvidia-ml.so.1", "--gpus all"});
}

TEST(Diagnosis, StopsAtADriverThatIsOlderThanTheRunTime) {
  Machine machine = node();
  machine.cuda.driver = "535.1";
  machine.cuda.driver_cuda = 12020;
  machine.cuda.devices.clear();

  expect(machine, "stops", {"535.1", "12.2", "13.0"});
}

TEST(Diagnosis, StopsAtLibrariesOfAnotherCuda) {
  Machine machine = node();
  machine.cuda.cublas_lt_cuda = 12080;
  expect(machine, "stops", {"cuBLASLt", "12.8", "13.0"});

  machine = node();
  machine.cuda.cudnn_cuda = 12080;
  expect(machine, "stops", {"cuDNN", "12.8"});

  machine = node();
  machine.cuda.built_for = 14000;
  expect(machine, "stops", {"built for CUDA 14.0", "13.0"});
}

TEST(Diagnosis, StopsAtACardForWhichNothingWasCompiled) {
  Machine machine = node();
  machine.cuda.devices[0].capability = 80;
  machine.cuda.devices[0].fault = "cudaErrorNoKernelImageForDevice, none";
  expect(machine, "stops", {"-DCMAKE_CUDA_ARCHITECTURES=80", "GPU 0"});

  machine.cuda.devices[0].fault = "cudaErrorECCUncorrectable, bad";
  expect(machine, "stops", {"cudaErrorECCUncorrectable", "dmesg"});
}

TEST(Diagnosis, NotesWhatMakesACardSlowerOrSmaller) {
  Machine machine = node();
  machine.cuda.devices[0].free_bytes = std::size_t{70} << 30;
  expect(machine, "note", {"71.00 GiB of 141.00 GiB"});

  machine = node();
  machine.cuda.devices[0].shared = false;
  expect(machine, "note", {"nvidia-smi -c DEFAULT"});

  machine = node();
  machine.cuda.devices[0].pcie = PcieLink{5, 8};
  expect(machine, "note", {"8 of 16 PCIe lanes"});

  machine = node();
  machine.cuda.devices[0].card.name = "NVIDIA H300";
  expect(machine, "note", {"no MFU"});

  machine = node();
  machine.cuda.driver_devices = 8;
  expect(machine, "note", {"1 of the driver's 8"});
}

TEST(Diagnosis, SaysNothingOfALinkThatSleeps) {
  Machine machine = node();
  machine.cuda.devices[0].pcie = PcieLink{1, 16};

  EXPECT_TRUE(diagnose(machine).empty());
}

TEST(Diagnosis, NotesCardsThatDoNotReachEachOther) {
  Machine machine = node();
  machine.cuda.driver_devices = 3;
  machine.cuda.devices = {h200(), h200(), h200()};
  machine.cuda.devices[0].peers = {1, 2};
  machine.cuda.devices[1].peers = {0, 2};
  machine.cuda.devices[2].peers = {0};

  expect(machine, "note", {"GPU 2", "1 of the other 2"});
}

TEST(Diagnosis, NotesWhatCairnWasBuiltWithout) {
  Machine machine = node();
  machine.cuda.with_cudnn = false;
  expect(machine, "note", {"built without cuDNN", "its own kernels"});

  machine = node();
  machine.nccl = false;
  EXPECT_TRUE(diagnose(machine).empty());
  machine.cuda.driver_devices = 2;
  machine.cuda.devices = {h200(), h200()};
  machine.cuda.devices[0].peers = {1};
  machine.cuda.devices[1].peers = {0};
  expect(machine, "note", {"built without NCCL", "passes through the host"});
}

TEST(Diagnosis, NotesTheHostsLimits) {
  Machine machine = node();
  machine.host.core_limit = 2.5;
  expect(machine, "note", {"3 of 16 cores", "train.threads"});

  machine = node();
  machine.host.memory_bytes = std::int64_t{64} << 30;
  machine.host.memory_limit = std::int64_t{8} << 30;
  expect(machine, "note", {"8.00 GiB of 64.00 GiB"});

  machine = node();
  machine.host.lock_limit = 65536;
  expect(machine, "note", {"64.00 KiB", "ulimit -l unlimited"});

  machine = node();
  machine.host.vectors.clear();
  expect(machine, "note", {"AVX2"});
}

TEST(Diagnosis, NotesWhatIsMissingForSeveralHosts) {
  Machine machine = node();
  machine.mpirun = false;
  expect(machine, "note", {"mpirun is not on the PATH"});

  machine.mpi = "";
  expect(machine, "note", {"built without MPI"});
}

}  // namespace
}  // namespace cairn
