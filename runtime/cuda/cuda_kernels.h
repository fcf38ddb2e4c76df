// The CUDA body of Kernels, in f32 and bf16.

#pragma once

#include <memory>

#include "runtime/kernels.h"

namespace cairn {

// `workspace`, of cuda_workspace_bytes(), outlives the kernels and the work
// they enqueued. One stream at a time. Where `deterministic` is false, equal
// operands need not give equal bits.
std::unique_ptr<Kernels> make_cuda_kernels(const TensorView& workspace,
                                           bool deterministic);

}  // namespace cairn
