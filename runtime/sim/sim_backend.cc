#include "runtime/sim/sim_backend.h"

#include "runtime/sim/sim_kernels.h"
#include "runtime/sim/sim_stream.h"

namespace cairn {

std::unique_ptr<Stream> SimBackend::make_stream(const std::string& /*name*/) {
  return std::make_unique<SimStream>();
}

std::unique_ptr<Kernels> SimBackend::make_kernels(
    const TensorView& /*workspace*/) {
  return std::make_unique<SimKernels>();
}

}  // namespace cairn
