// Stands in for this folder where the CUDA toolkit was not found.

#include "runtime/cuda/cuda_backend.h"
#include "runtime/cuda/workspace.h"
#include "runtime/error.h"

namespace cairn {

bool cuda_is_built() { return false; }

int cuda_devices() { return 0; }

std::size_t cuda_workspace_bytes() { return kMatmulBytes + kScratchBytes; }

std::unique_ptr<Backend> make_cuda_backend(const BackendOptions& /*options*/) {
  throw Error(Code::kBadArgument,
              "the backend 'cuda' was asked for, and Cairn was built without "
              "CUDA; install the CUDA toolkit, 13.0 or later, and build again");
}

}  // namespace cairn
