// The cuda backend as the rest of runtime/ sees it, whether it was built or
// not: no header of CUDA is seen through this one.

#pragma once

#include <cstddef>
#include <memory>

#include "runtime/backend.h"

namespace cairn {

bool cuda_is_built();

// Devices that can be used; 0 where there is no driver.
int cuda_devices();

// Scratch that the kernels need, the same for every device.
std::size_t cuda_workspace_bytes();

// Throws kBadArgument where it was not built or no device is found.
std::unique_ptr<Backend> make_cuda_backend(const BackendOptions& options);

}  // namespace cairn
