#include "runtime/backend.h"

#include "runtime/cpu/cpu_backend.h"
#include "runtime/cpu/cpu_kernels.h"
#include "runtime/error.h"
#include "runtime/sim/sim_backend.h"

namespace cairn {

std::vector<std::string> backend_names() { return {"cpu", "sim"}; }

std::unique_ptr<Backend> make_backend(const std::string& name,
                                      const BackendOptions& options) {
  const std::string chosen = name == "auto" ? backend_names().front() : name;
  if (chosen == "cpu") return std::make_unique<CpuBackend>(options);
  if (chosen == "sim") {
    return std::make_unique<SimBackend>(
        cpu_workspace_bytes(team_size(options.threads)));
  }
  std::string known;
  for (const std::string& built : backend_names()) {
    known += (known.empty() ? "" : ", ") + built;
  }
  throw Error(Code::kBadArgument, "the backend " + chosen +
                                      " was not built; there are " + known);
}

}  // namespace cairn
