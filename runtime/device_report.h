// What CUDA devices and the libraries for them say of themselves. Every
// question is answered where there is no device, no driver, or no CUDA in this
// build.
//
// Threads: any, one at a time.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "runtime/device.h"

namespace cairn {

// Which card a device is; empty for devices that are none.
struct Card {
  std::string name;  // the driver's: "NVIDIA H200"
  std::string uuid;  // "GPU-..."
};

Card card_of(const Device& device);

// A link to the host: generation and lanes.
struct PcieLink {
  int generation = 0;
  int width = 0;

  friend bool operator==(const PcieLink&, const PcieLink&) = default;
};

struct CudaDevice {
  Card card;
  std::string pci;     // "0000:1b:00.0"
  int capability = 0;  // 90 is 9.0
  int multiprocessors = 0;
  std::size_t memory_bytes = 0;
  std::size_t free_bytes = 0;
  std::optional<PcieLink> pcie;       // now; an idle card may lower it
  std::optional<PcieLink> pcie_most;  // of card and slot
  int nvlinks = 0;                    // that are up
  std::optional<double> power_limit_w;
  std::optional<double> most_sm_clock_mhz;
  bool shared = true;      // several processes may use it at once
  std::vector<int> peers;  // devices whose memory it reaches by itself
  std::string fault;       // why a kernel of ours fails there; "": it runs
};

// Versions as the libraries count them: 13000 is CUDA 13.0. 0: not found.
struct CudaReport {
  bool built = false;       // with CUDA
  bool with_cudnn = false;  // built with cuDNN, and so needs it to start
  int built_for = 0;        // the toolkit's version
  std::string driver;       // "580.159.04"; "": none is loaded
  int driver_cuda = 0;      // newest CUDA that the driver serves
  int runtime = 0;
  int cublas_lt = 0;
  int cublas_lt_cuda = 0;  // CUDA that it was made for
  int cudnn = 0;
  int cudnn_cuda = 0;
  int nccl = 0;
  int driver_devices = 0;  // that the driver knows, usable here or not
  std::string fault;       // why there are no devices; "": none was expected
  std::vector<CudaDevice> devices;
};

// Starts CUDA on every device, which takes about a second, and runs a kernel.
CudaReport cuda_report();

}  // namespace cairn
