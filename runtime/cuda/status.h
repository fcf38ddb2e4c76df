// What CUDA and its libraries answer, as Errors: no room is kOutOfMemory,
// everything else kDeviceFault. The parts of `call`, put together only then,
// say what was attempted, on what.

#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <string>

namespace cairn {

[[noreturn]] void refuse(cudaError_t status, const std::string& call);
[[noreturn]] void refuse(cublasStatus_t status, const std::string& call);

template <typename... Parts>
void check(cudaError_t status, const Parts&... call) {
  if (status != cudaSuccess) refuse(status, (std::string() + ... + call));
}

template <typename... Parts>
void check(cublasStatus_t status, const Parts&... call) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    refuse(status, (std::string() + ... + call));
  }
}

// After a launch of the operation of that name.
void check_launch(const char* operation);

}  // namespace cairn
