// What CUDA and its libraries answer, as Errors: no room is kOutOfMemory,
// everything else kDeviceFault. `call` says what was attempted, on what.

#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <string>

namespace cairn {

void check(cudaError_t status, const std::string& call);
void check(cublasStatus_t status, const std::string& call);

// After a launch of the operation of that name.
void check_launch(const char* operation);

}  // namespace cairn
