// What `cairn doctor --json` writes.

#include <nlohmann/json.hpp>

#include "launcher/doctor.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json host_json(const HostReport& host) {
  return {{"cpu", host.cpu},
          {"vectors", host.vectors},
          {"cores", host.cores},
          {"core_limit", or_null(host.core_limit)},
          {"numa_nodes", host.numa_nodes},
          {"memory_bytes", host.memory_bytes},
          {"available_bytes", host.available_bytes},
          {"memory_limit", or_null(host.memory_limit)},
          {"lock_limit", or_null(host.lock_limit)},
          {"shm_bytes", host.shm_bytes},
          {"disk_bytes", host.disk_bytes}};
}

Json link_json(const std::optional<PcieLink>& link) {
  if (!link) return nullptr;
  return {{"generation", link->generation}, {"width", link->width}};
}

Json device_json(const CudaDevice& device) {
  return {{"name", device.card.name},
          {"uuid", device.card.uuid},
          {"pci", device.pci},
          {"capability", device.capability},
          {"multiprocessors", device.multiprocessors},
          {"memory_bytes", device.memory_bytes},
          {"free_bytes", device.free_bytes},
          {"pcie", link_json(device.pcie)},
          {"pcie_most", link_json(device.pcie_most)},
          {"nvlinks", device.nvlinks},
          {"power_limit_w", or_null(device.power_limit_w)},
          {"most_sm_clock_mhz", or_null(device.most_sm_clock_mhz)},
          {"shared", device.shared},
          {"peers", device.peers},
          {"fault", device.fault}};
}

Json cuda_json(const CudaReport& cuda) {
  Json devices = Json::array();
  for (const CudaDevice& device : cuda.devices) {
    devices.push_back(device_json(device));
  }
  return {{"built", cuda.built},
          {"built_for", cuda.built_for},
          {"driver", cuda.driver},
          {"driver_cuda", cuda.driver_cuda},
          {"runtime", cuda.runtime},
          {"cublas_lt", cuda.cublas_lt},
          {"cublas_lt_cuda", cuda.cublas_lt_cuda},
          {"cudnn", cuda.cudnn},
          {"cudnn_cuda", cuda.cudnn_cuda},
          {"nccl", cuda.nccl},
          {"driver_devices", cuda.driver_devices},
          {"fault", cuda.fault},
          {"devices", devices}};
}

}  // namespace

std::string examination_json(const Machine& machine,
                             const std::vector<Finding>& findings) {
  Json found = Json::array();
  for (const Finding& finding : findings) {
    found.push_back({{"stops", finding.stops}, {"text", finding.text}});
  }
  const Json json = {{"host", host_json(machine.host)},
                     {"cuda", cuda_json(machine.cuda)},
                     {"mpi", machine.mpi},
                     {"mpirun", machine.mpirun},
                     {"findings", found}};
  return json.dump(2);
}

}  // namespace cairn
