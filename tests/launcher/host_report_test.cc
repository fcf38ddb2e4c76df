#include "launcher/host_report.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace cairn {
namespace {

// A tree that stands for a machine's "/".
class HostReportOf : public testing::Test {
 protected:
  HostReportOf() {
    std::string name = testing::TempDir() + "hostXXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~HostReportOf() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    const auto file = root_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  std::filesystem::path root_;
};

TEST_F(HostReportOf, AMachineIsWhatProcAndSysSay) {
  write("proc/cpuinfo",
        "processor\t: 0\nmodel name\t: Big Chip 9\n"
        "flags\t\t: sse2 avx2 fma amx_bf16\n\nprocessor\t: 1\n"
        "model name\t: Other\nflags\t: sse2\n");
  write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable:    600 kB\n");
  write("proc/self/limits",
        "Limit                     Soft Limit           Hard Limit    Units\n"
        "Max locked memory         8388608              8388608       bytes\n");
  for (const char* cpu : {"cpu0", "cpu1", "cpufreq", "cpu12"}) {
    write("sys/devices/system/cpu/" + std::string(cpu) + "/x", "");
  }
  write("sys/devices/system/node/node0/x", "");
  write("sys/devices/system/node/node1/x", "");
  write("dev/nvidiactl", "");

  const HostReport report = host_report(root_);

  EXPECT_EQ(report.cpu, "Big Chip 9");
  EXPECT_EQ(report.vectors,
            (std::vector<std::string>{"avx2", "fma", "amx_bf16"}));
  EXPECT_EQ(report.cores, 3);
  EXPECT_EQ(report.numa_nodes, 2);
  EXPECT_EQ(report.memory_bytes, 1024000);
  EXPECT_EQ(report.available_bytes, 614400);
  EXPECT_EQ(report.lock_limit, 8388608);
  EXPECT_TRUE(report.nvidia_nodes);
  EXPECT_GT(report.disk_bytes, 0);
  EXPECT_FALSE(report.core_limit);
  EXPECT_FALSE(report.memory_limit);
}

TEST_F(HostReportOf, AControlGroupHasItsLimits) {
  write("sys/fs/cgroup/cpu.max", "250000 100000\n");
  write("sys/fs/cgroup/memory.max", "4096\n");

  EXPECT_EQ(host_report(root_).core_limit, 2.5);
  EXPECT_EQ(host_report(root_).memory_limit, 4096);
}

TEST_F(HostReportOf, AControlGroupMayHaveNone) {
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/memory.max", "max\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("proc/self/limits",
        "Max locked memory         unlimited            unlimited     bytes\n");

  EXPECT_FALSE(host_report(root_).core_limit);
  EXPECT_FALSE(host_report(root_).memory_limit);
  EXPECT_FALSE(host_report(root_).lock_limit);
}

TEST_F(HostReportOf, AnOlderControlGroupIsReadToo) {
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "8192\n");

  EXPECT_EQ(host_report(root_).memory_limit, 8192);
}

TEST_F(HostReportOf, AMachineThatTellsNothingIsEmpty) {
  const HostReport report = host_report(root_);

  EXPECT_EQ(report.cpu, "");
  EXPECT_EQ(report.cores, 0);
  EXPECT_EQ(report.memory_bytes, 0);
  EXPECT_FALSE(report.nvidia_nodes);
}

TEST(HostReport, OfThisMachineHasCoresAndMemory) {
  const HostReport report = host_report();

  EXPECT_GT(report.cores, 0);
  EXPECT_GT(report.memory_bytes, report.available_bytes);
}

}  // namespace
}  // namespace cairn
