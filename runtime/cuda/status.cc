#include "runtime/cuda/status.h"

#include "runtime/error.h"

namespace cairn {

void check(cudaError_t status, const std::string& call) {
  if (status == cudaSuccess) return;
  const bool full = status == cudaErrorMemoryAllocation;
  throw Error(full ? Code::kOutOfMemory : Code::kDeviceFault,
              call + ": " + cudaGetErrorName(status) + ", " +
                  cudaGetErrorString(status));
}

void check(cublasStatus_t status, const std::string& call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool full = status == CUBLAS_STATUS_ALLOC_FAILED;
  throw Error(full ? Code::kOutOfMemory : Code::kDeviceFault,
              call + ": " + cublasLtGetStatusName(status));
}

void check_launch(const char* operation) {
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess) {
    check(status, std::string("launching ") + operation);
  }
}

}  // namespace cairn
