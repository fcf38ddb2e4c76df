#include "runtime/backend.h"

#include "runtime/cpu/cpu_backend.h"
#include "runtime/cpu/cpu_kernels.h"
#include "runtime/cuda/cuda_backend.h"
#include "runtime/error.h"
#include "runtime/sim/sim_backend.h"

namespace cairn {

std::vector<std::string> backend_names() {
  if (!cuda_is_built()) return {"cpu", "sim"};
  if (cuda_devices() == 0) return {"cpu", "cuda", "sim"};
  return {"cuda", "cpu", "sim"};
}

int devices_of(const std::string& name) {
  return name == "cuda" ? cuda_devices() : 1;
}

std::unique_ptr<Backend> make_backend(const std::string& name,
                                      const BackendOptions& options) {
  if (name == "auto") return make_backend(backend_names().front(), options);
  if (name == "cpu") return std::make_unique<CpuBackend>(options);
  if (name == "cuda") return make_cuda_backend(options);
  if (name == "sim") {
    return make_lone_sim_backend(
        cpu_workspace_bytes(team_size(options.threads)));
  }
  std::string built;
  for (const std::string& each : backend_names()) built += " " + each;
  throw Error(Code::kBadArgument,
              "a backend '" + name + "' was asked for; built are:" + built);
}

std::size_t workspace_bytes_of(const std::string& name,
                               const BackendOptions& options) {
  if (name == "auto") {
    return workspace_bytes_of(backend_names().front(), options);
  }
  if (name == "cuda") return cuda_workspace_bytes();
  require(name == "cpu", "only the cpu and cuda are known by their size");
  return cpu_workspace_bytes(team_size(options.threads));
}

}  // namespace cairn
