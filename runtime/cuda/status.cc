#include "runtime/cuda/status.h"

#include "runtime/error.h"

namespace cairn {

void refuse(cudaError_t status, const std::string& call) {
  const bool full = status == cudaErrorMemoryAllocation;
  throw Error(full ? Code::kOutOfMemory : Code::kDeviceFault,
              call + ": " + cudaGetErrorName(status) + ", " +
                  cudaGetErrorString(status));
}

void refuse(cublasStatus_t status, const std::string& call) {
  const bool full = status == CUBLAS_STATUS_ALLOC_FAILED;
  throw Error(full ? Code::kOutOfMemory : Code::kDeviceFault,
              call + ": " + cublasLtGetStatusName(status));
}

void check_launch(const char* operation) {
  check(cudaGetLastError(), "launching ", operation);
}

}  // namespace cairn
