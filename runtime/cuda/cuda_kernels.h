// The CUDA body of Kernels, in f32 and bf16.

#pragma once

#include <memory>

#include "runtime/kernels.h"

namespace cairn {

// `workspace`, of cuda_workspace_bytes(), outlives the kernels and the work
// they enqueued. One stream at a time.
std::unique_ptr<Kernels> make_cuda_kernels(const TensorView& workspace);

}  // namespace cairn
