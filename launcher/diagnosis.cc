#include "launcher/diagnosis.h"

#include <cmath>

#include "launcher/byte_size.h"
#include "runtime/device_peaks.h"

namespace cairn {
namespace {

using Findings = std::vector<Finding>;

std::string text(std::size_t number) { return std::to_string(number); }

std::string text(int number) { return std::to_string(number); }

std::string bytes(std::size_t number) {
  return human_bytes(static_cast<std::int64_t>(number));
}

void stop(Findings& findings, const std::string& text) {
  findings.push_back({true, text});
}

void note(Findings& findings, const std::string& text) {
  findings.push_back({false, text});
}

bool same_major(int one, int other) { return one / 1000 == other / 1000; }

void judge_no_devices(const Machine& machine, Findings& findings) {
  const CudaReport& cuda = machine.cuda;
  if (cuda.driver.empty() && !machine.host.nvidia_nodes) {
    note(findings,
         "no NVIDIA driver is loaded: training runs on CPUs. On a machine with "
         "a GPU install driver 580 or later");
    return;
  }
  if (cuda.driver.empty()) {
    stop(findings,
         "/dev/nvidiactl is there and the driver's library "
         "libnvidia-ml.so.1 is not found: a container needs --gpus all and "
         "NVIDIA_DRIVER_CAPABILITIES=compute,utility");
    return;
  }
  stop(findings,
       "of the GPUs that the driver knows, " + text(cuda.driver_devices) +
           ", CUDA finds none (" + cuda.fault +
           "); see that CUDA_VISIBLE_DEVICES names one, and what nvidia-smi "
           "says");
}

bool driver_is_old(const CudaReport& cuda) {
  return cuda.driver_cuda > 0 && cuda.driver_cuda / 1000 < cuda.runtime / 1000;
}

void judge_libraries(const CudaReport& cuda, Findings& findings) {
  if (driver_is_old(cuda)) {
    stop(findings,
         "driver " + cuda.driver + " serves CUDA up to " +
             cuda_version(cuda.driver_cuda) + ", and Cairn runs on CUDA " +
             cuda_version(cuda.runtime) +
             "; install a newer driver (580 for CUDA 13), or build Cairn with "
             "an older toolkit");
  }
  if (!same_major(cuda.built_for, cuda.runtime)) {
    stop(findings, "Cairn was built for CUDA " + cuda_version(cuda.built_for) +
                       " and finds the run-time library of CUDA " +
                       cuda_version(cuda.runtime) +
                       "; put that of the first before it in LD_LIBRARY_PATH");
  }
  const auto must_match = [&](const char* name, int made_for) {
    if (made_for == 0 || same_major(made_for, cuda.runtime)) return;
    stop(findings, std::string(name) + " was made for CUDA " +
                       cuda_version(made_for) + ", and the run-time library " +
                       "is that of CUDA " + cuda_version(cuda.runtime) +
                       "; install both from one release");
  };
  must_match("cuBLASLt", cuda.cublas_lt_cuda);
  must_match("cuDNN", cuda.cudnn_cuda);
}

// What Cairn was built with it needs to start, so that only what it was built
// without can be missing.
void judge_build(const Machine& machine, Findings& findings) {
  const CudaReport& cuda = machine.cuda;
  if (!cuda.devices.empty() && !cuda.with_cudnn) {
    note(findings,
         "Cairn was built without cuDNN: attention in bf16 takes its own "
         "kernels, which are slower. Build it with cuDNN 9 and its frontend");
  }
  if (cuda.devices.size() > 1 && !machine.nccl) {
    note(findings,
         "Cairn was built without NCCL: what ranks on different GPUs exchange "
         "passes through the host. Build it with libnccl-dev");
  }
}

std::string name_of(const CudaDevice& device, std::size_t index) {
  return "GPU " + text(index) + " (" + device.card.name + ")";
}

void judge_fault(const CudaDevice& device, const std::string& name,
                 Findings& findings) {
  const std::string capability = text(device.capability);
  if (device.fault.find("NoKernelImage") != std::string::npos) {
    stop(findings, name + " has compute capability " + capability +
                       ", for which Cairn was not compiled; configure with "
                       "-DCMAKE_CUDA_ARCHITECTURES=" +
                       capability);
  } else {
    stop(findings, name + " does not run a kernel: " + device.fault +
                       "; nvidia-smi and the kernel's log (dmesg) may say why");
  }
}

void judge_device(const CudaDevice& device, const std::string& name,
                  Findings& findings) {
  if (!device.fault.empty()) {
    judge_fault(device, name, findings);
    return;
  }
  const std::size_t used = device.memory_bytes - device.free_bytes;
  if (4 * used > device.memory_bytes) {
    note(findings, name + ": " + bytes(used) + " of " +
                       bytes(device.memory_bytes) +
                       " are in use; nvidia-smi lists by whom");
  }
  if (!device.shared) {
    note(findings, name +
                       " lets one process in at a time (compute mode): several "
                       "ranks cannot share it before nvidia-smi -c DEFAULT");
  }
  if (device.pcie && device.pcie_most &&
      device.pcie->width < device.pcie_most->width) {
    note(findings, name + " uses " + text(device.pcie->width) + " of " +
                       text(device.pcie_most->width) +
                       " PCIe lanes: copies to the host are that much slower; "
                       "look at the slot");
  }
  if (!peak_flops(device.card.name, DType::kBF16)) {
    note(findings, name + ": its peak is not known, so metrics have no MFU");
  }
}

void judge_links(const std::vector<CudaDevice>& devices, Findings& findings) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].peers.size() + 1 == devices.size()) continue;
    note(findings, name_of(devices[i], i) + " reaches the memory of " +
                       text(devices[i].peers.size()) + " of the other " +
                       text(devices.size() - 1) +
                       " GPUs by itself; what goes to the rest passes through "
                       "the host");
  }
}

void judge_cuda(const Machine& machine, Findings& findings) {
  const CudaReport& cuda = machine.cuda;
  if (!cuda.built) {
    note(findings,
         "Cairn was built without CUDA: training runs on CPUs. For GPUs build "
         "it where NVIDIA's toolkit (nvcc, cuBLAS) is installed");
    return;
  }
  if (cuda.devices.empty() && !driver_is_old(cuda)) {
    judge_no_devices(machine, findings);
    return;
  }
  judge_libraries(cuda, findings);
  judge_build(machine, findings);
  const auto seen = static_cast<int>(cuda.devices.size());
  if (seen > 0 && seen < cuda.driver_devices) {
    note(findings, "CUDA shows " + text(seen) + " of the driver's " +
                       text(cuda.driver_devices) +
                       " GPUs; CUDA_VISIBLE_DEVICES says which");
  }
  for (std::size_t i = 0; i < cuda.devices.size(); ++i) {
    judge_device(cuda.devices[i], name_of(cuda.devices[i], i), findings);
  }
  judge_links(cuda.devices, findings);
}

void judge_host(const HostReport& host, Findings& findings) {
  const bool wide = !host.vectors.empty();
  if (!host.cpu.empty() && !wide) {
    note(findings,
         "the CPU has no AVX2: kernels for plain x86-64 are used, many times "
         "slower");
  }
  if (host.core_limit && *host.core_limit + 0.5 < host.cores) {
    const auto usable = static_cast<int>(std::ceil(*host.core_limit));
    note(findings, "the control group allows " + text(usable) + " of " +
                       text(host.cores) +
                       " cores; on CPUs set train.threads so that all ranks "
                       "together have no more");
  }
  if (host.memory_limit && *host.memory_limit < host.memory_bytes) {
    note(findings, "the control group allows " +
                       human_bytes(*host.memory_limit) + " of " +
                       human_bytes(host.memory_bytes) +
                       " of memory; what is pinned for GPUs counts");
  }
  if (host.lock_limit && *host.lock_limit < (std::int64_t{64} << 20)) {
    note(findings, "a process may lock " + human_bytes(*host.lock_limit) +
                       " of memory (ulimit -l): too little for InfiniBand and "
                       "for io_uring's buffers; CUDA's pinned memory is not "
                       "counted. Raise it with ulimit -l unlimited");
  }
}

void judge_mpi(const Machine& machine, Findings& findings) {
  if (machine.mpi.empty()) {
    note(findings,
         "Cairn was built without MPI: ranks are threads of one process. For "
         "several hosts build it with libopenmpi-dev");
  } else if (!machine.mpirun) {
    note(findings,
         "mpirun is not on the PATH: ranks are threads of one process. For "
         "several hosts install openmpi-bin");
  }
}

}  // namespace

std::string cuda_version(int version) {
  return text(version / 1000) + "." + text(version % 1000 / 10);
}

std::vector<Finding> diagnose(const Machine& machine) {
  Findings findings;
  judge_cuda(machine, findings);
  judge_host(machine.host, findings);
  judge_mpi(machine, findings);
  return findings;
}

}  // namespace cairn
