// Runs a kernel of ours on the current device: code may be missing for it, or
// the device may not answer.

#pragma once

#include <cuda_runtime_api.h>

namespace cairn {

// Waits for the kernel.
cudaError_t probe_device();

}  // namespace cairn
