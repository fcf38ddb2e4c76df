// What this machine offers a rank beside its GPUs, and what limits it: read
// from /proc and /sys.

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cairn {

// What could not be read is empty, 0 or none.
struct HostReport {
  std::string cpu;
  std::vector<std::string> vectors;  // instruction sets that kernels can use
  int cores = 0;                     // logical ones
  int numa_nodes = 0;
  std::optional<double> core_limit;  // of the control group
  std::int64_t memory_bytes = 0;
  std::int64_t available_bytes = 0;
  std::optional<std::int64_t> memory_limit;  // of the control group
  std::optional<std::int64_t> lock_limit;    // `ulimit -l`; none: no limit
  std::int64_t shm_bytes = 0;                // free in /dev/shm
  std::int64_t disk_bytes = 0;               // free in the working folder
  bool nvidia_nodes = false;  // the driver's device files are there
};

// `root` stands for "/".
HostReport host_report(const std::filesystem::path& root = "/");

}  // namespace cairn
