// Asks CUDA, its libraries and NVML what there is.

#include "runtime/device_report.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <array>
#include <cstdio>
#include <utility>

#include "runtime/cuda/cudnn_attention.h"
#include "runtime/cuda/nvml.h"
#include "runtime/cuda/probe.h"

namespace cairn {
namespace {

std::string words(cudaError_t status) {
  return std::string(cudaGetErrorName(status)) + ", " +
         cudaGetErrorString(status);
}

// As NVML writes it too.
std::string text_of(const cudaUUID_t& uuid) {
  std::string text = "GPU";
  for (std::size_t i = 0; i < sizeof(uuid.bytes); ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x",
                  static_cast<unsigned char>(uuid.bytes[i]));
    text += hex.data();
  }
  return text;
}

// A function of a library that may be absent. The library stays open: it need
// not be made to be closed.
template <typename Function>
Function find(const char* library, const char* function) {
  void* const opened = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
  if (opened == nullptr) return nullptr;
  return reinterpret_cast<Function>(dlsym(opened, function));
}

int cudnn_number(const char* function) {
  const auto call = find<std::size_t (*)()>("libcudnn.so.9", function);
  return call == nullptr ? 0 : static_cast<int>(call());
}

int nccl_version() {
  const auto call = find<int (*)(int*)>("libnccl.so.2", "ncclGetVersion");
  int version = 0;
  return call != nullptr && call(&version) == 0 ? version : 0;
}

void ask_nvml(const Nvml& nvml, CudaDevice& device) {
  const Nvml::Device known = nvml.device(device.card.uuid);
  if (known == nullptr) return;
  device.pcie = nvml.pcie(known);
  device.pcie_most = nvml.pcie_most(known);
  device.nvlinks = nvml.nvlinks(known);
  device.power_limit_w = nvml.power_limit_w(known);
  device.most_sm_clock_mhz = nvml.most_sm_clock_mhz(known);
}

// What needs the device to be started.
void start(int index, CudaDevice& device) {
  cudaError_t status = cudaSetDevice(index);
  if (status == cudaSuccess) status = probe_device();
  if (status != cudaSuccess) {
    device.fault = words(status);
    static_cast<void>(cudaGetLastError());
    return;
  }
  std::size_t total = 0;
  static_cast<void>(cudaMemGetInfo(&device.free_bytes, &total));
}

CudaDevice describe(int index, int devices) {
  CudaDevice device;
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, index);
  if (status != cudaSuccess) {
    device.fault = words(status);
    return device;
  }
  device.card = {properties.name, text_of(properties.uuid)};
  std::array<char, 32> pci{};
  static_cast<void>(
      cudaDeviceGetPCIBusId(pci.data(), static_cast<int>(pci.size()), index));
  device.pci = pci.data();
  device.capability = 10 * properties.major + properties.minor;
  device.multiprocessors = properties.multiProcessorCount;
  device.memory_bytes = properties.totalGlobalMem;
  int mode = 0;
  static_cast<void>(
      cudaDeviceGetAttribute(&mode, cudaDevAttrComputeMode, index));
  device.shared = mode == cudaComputeModeDefault;
  for (int peer = 0; peer < devices; ++peer) {
    int reaches = 0;
    if (peer == index) continue;
    if (cudaDeviceCanAccessPeer(&reaches, index, peer) == cudaSuccess &&
        reaches == 1) {
      device.peers.push_back(peer);
    }
  }
  start(index, device);
  return device;
}

void ask_libraries(CudaReport& report) {
  static_cast<void>(cudaDriverGetVersion(&report.driver_cuda));
  static_cast<void>(cudaRuntimeGetVersion(&report.runtime));
  report.cublas_lt = static_cast<int>(cublasLtGetVersion());
  report.cublas_lt_cuda = static_cast<int>(cublasLtGetCudartVersion());
  report.cudnn = cudnn_number("cudnnGetVersion");
  report.cudnn_cuda = cudnn_number("cudnnGetCudartVersion");
  report.nccl = nccl_version();
}

}  // namespace

Card card_of(const Device& device) {
  if (device.kind != Device::Kind::kCuda) return {};
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device.index) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return {};
  }
  return {properties.name, text_of(properties.uuid)};
}

CudaReport cuda_report() {
  CudaReport report;
  report.built = true;
  report.with_cudnn = cudnn_is_built();
  report.built_for = CUDART_VERSION;
  ask_libraries(report);
  const auto nvml = Nvml::open();
  if (nvml) {
    report.driver = nvml->driver_version();
    report.driver_devices = nvml->devices();
  }
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess) {
    report.fault = words(status);
    static_cast<void>(cudaGetLastError());
    devices = 0;
  }
  for (int index = 0; index < devices; ++index) {
    report.devices.push_back(describe(index, devices));
    if (nvml) ask_nvml(*nvml, report.devices.back());
  }
  return report;
}

}  // namespace cairn
