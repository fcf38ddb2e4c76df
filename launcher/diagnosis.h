// What a machine's reports mean for training: the findings of `cairn doctor`.

#pragma once

#include <string>
#include <vector>

#include "launcher/host_report.h"
#include "runtime/device_report.h"

namespace cairn {

struct Machine {
  HostReport host;
  CudaReport cuda;
  std::string mpi;      // the library's name and version; "": built without
  bool mpirun = false;  // is on the PATH
  bool nccl = false;    // Cairn was built with it, and so needs it to start
};

struct Finding {
  // True if `cairn train` with train.device = "auto" would fail, or leave the
  // GPUs that are there unused.
  bool stops = false;
  std::string text;  // what is the case, and what to do
};

std::vector<Finding> diagnose(const Machine& machine);

// "13.0" of 13000.
std::string cuda_version(int version);

}  // namespace cairn
