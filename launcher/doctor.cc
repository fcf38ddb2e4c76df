#include "launcher/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "launcher/byte_size.h"
#include "launcher/cli.h"
#include "parallel/worlds.h"

namespace cairn {
namespace {

constexpr int kNameWidth = 16;

std::string text(std::int64_t number) { return std::to_string(number); }

std::string bytes(std::size_t number) {
  return human_bytes(static_cast<std::int64_t>(number));
}

std::string rounded(double number) {
  std::ostringstream out;
  out << std::setprecision(4) << number;
  return out.str();
}

void line(std::ostream& out, const std::string& name,
          const std::string& value) {
  out << "  " << std::left << std::setw(kNameWidth) << name
      << (value.empty() ? "not found" : value) << "\n";
}

bool is_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path file = std::filesystem::path(folder) / program;
    if (access(file.c_str(), X_OK) == 0) return true;
  }
  return false;
}

void print_host(const HostReport& host, std::ostream& out) {
  std::string vectors;
  for (const std::string& each : host.vectors) vectors += " " + each;
  std::string cores = text(host.cores);
  if (host.core_limit) cores += ", limited to " + rounded(*host.core_limit);
  std::string memory = human_bytes(host.memory_bytes) + ", available " +
                       human_bytes(host.available_bytes);
  if (host.memory_limit) {
    memory += ", limited to " + human_bytes(*host.memory_limit);
  }
  out << "Host\n";
  line(out, "CPU", host.cpu);
  line(out, "vectors", vectors.empty() ? "none" : vectors.substr(1));
  line(out, "cores", cores);
  line(out, "NUMA nodes", text(host.numa_nodes));
  line(out, "memory", memory);
  line(out, "ulimit -l",
       host.lock_limit ? human_bytes(*host.lock_limit) : "unlimited");
  line(out, "/dev/shm", human_bytes(host.shm_bytes) + " free");
  line(out, "working folder", human_bytes(host.disk_bytes) + " free");
}

std::string library_version(int version) {
  if (version == 0) return "";
  return text(version / 10000) + "." + text(version / 100 % 100) + "." +
         text(version % 100);
}

std::string with_cuda(const std::string& version, int cuda) {
  return cuda == 0 ? version
                   : version + ", made for CUDA " + cuda_version(cuda);
}

void print_libraries(const CudaReport& cuda, std::ostream& out) {
  out << "CUDA\n";
  if (!cuda.built) {
    line(out, "built", "without CUDA");
    return;
  }
  const auto version = [](int number) {
    return number == 0 ? std::string() : cuda_version(number);
  };
  line(out, "built for", cuda_version(cuda.built_for));
  line(out, "driver",
       cuda.driver.empty()
           ? ""
           : cuda.driver + ", for CUDA up to " + version(cuda.driver_cuda));
  line(out, "run time", version(cuda.runtime));
  line(out, "cuBLASLt",
       with_cuda(library_version(cuda.cublas_lt), cuda.cublas_lt_cuda));
  line(out, "cuDNN", with_cuda(library_version(cuda.cudnn), cuda.cudnn_cuda));
  line(out, "NCCL", library_version(cuda.nccl));
}

std::string link_text(const std::optional<PcieLink>& link) {
  if (!link) return "unknown";
  return "PCIe " + text(link->generation) + " x" + text(link->width);
}

void print_device(const CudaDevice& device, std::size_t index,
                  std::ostream& out) {
  std::string chip =
      text(device.multiprocessors) + " multiprocessors, compute capability " +
      text(device.capability / 10) + "." + text(device.capability % 10);
  if (device.most_sm_clock_mhz) {
    chip += ", up to " + rounded(*device.most_sm_clock_mhz) + " MHz";
  }
  if (device.power_limit_w) {
    chip += ", " + rounded(*device.power_limit_w) + " W";
  }
  std::string peers;
  for (const int peer : device.peers) peers += " " + text(peer);
  out << "GPU " << index << "  " << device.card.name << "\n";
  line(out, "chip", chip);
  line(out, "memory",
       bytes(device.memory_bytes) + ", free " + bytes(device.free_bytes));
  line(out, "to the host",
       link_text(device.pcie) + " of " + link_text(device.pcie_most) + ", at " +
           device.pci);
  line(out, "to other GPUs",
       text(device.nvlinks) + " NVLinks; reaches" +
           (peers.empty() ? " none" : peers));
  line(out, "kernels", device.fault.empty() ? "run" : device.fault);
}

}  // namespace

Machine examine_machine() {
  return {host_report(), cuda_report(), mpi_library(), is_on_path("mpirun"),
          nccl_is_built()};
}

void print_examination(const Machine& machine,
                       const std::vector<Finding>& findings,
                       std::ostream& out) {
  print_host(machine.host, out);
  print_libraries(machine.cuda, out);
  for (std::size_t i = 0; i < machine.cuda.devices.size(); ++i) {
    print_device(machine.cuda.devices[i], i, out);
  }
  out << "MPI\n";
  line(out, "library", machine.mpi.empty() ? "built without" : machine.mpi);
  line(out, "mpirun", machine.mpirun ? "on the PATH" : "");
  out << "\n";
  for (const Finding& finding : findings) {
    out << (finding.stops ? "problem: " : "note: ") << finding.text << ".\n";
  }
  const auto stops = std::count_if(findings.begin(), findings.end(),
                                   [](const Finding& f) { return f.stops; });
  const auto gpus = static_cast<std::int64_t>(machine.cuda.devices.size());
  out << (stops > 0  ? "Training is not possible before that is mended."
          : gpus > 0 ? "Ready to train on " + text(gpus) +
                           (gpus == 1 ? " GPU." : " GPUs.")
                     : std::string("Ready to train on CPUs."))
      << "\n";
}

int doctor(bool json, std::ostream& out) {
  const Machine machine = examine_machine();
  const std::vector<Finding> findings = diagnose(machine);
  if (json) {
    out << examination_json(machine, findings) << "\n";
  } else {
    print_examination(machine, findings, out);
  }
  const bool stops = std::any_of(findings.begin(), findings.end(),
                                 [](const Finding& f) { return f.stops; });
  return stops ? kExitFault : kExitDone;
}

}  // namespace cairn
