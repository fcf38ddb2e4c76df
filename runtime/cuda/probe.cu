#include "runtime/cuda/probe.h"

namespace cairn {
namespace {

__global__ void touch(int* word) { *word = 1; }

}  // namespace

cudaError_t probe_device() {
  int* word = nullptr;
  cudaError_t status = cudaMalloc(&word, sizeof(int));
  if (status != cudaSuccess) return status;
  touch<<<1, 1>>>(word);
  status = cudaGetLastError();
  if (status == cudaSuccess) status = cudaDeviceSynchronize();
  const cudaError_t freed = cudaFree(word);
  return status != cudaSuccess ? status : freed;
}

}  // namespace cairn
