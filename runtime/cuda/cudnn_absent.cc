// Stands in for cudnn_attention.cc where cuDNN or its frontend was not found.

#include "runtime/cuda/cudnn_attention.h"

namespace cairn {

class CudnnAttention::Plans {};

CudnnAttention::CudnnAttention(bool deterministic)
    : deterministic_(deterministic) {}
CudnnAttention::~CudnnAttention() = default;

bool CudnnAttention::run(cudaStream_t /*stream*/,
                         const AttentionForward& /*op*/,
                         std::span<std::byte> /*room*/) {
  return false;
}

bool CudnnAttention::run(cudaStream_t /*stream*/,
                         const AttentionBackward& /*op*/) {
  return false;
}

bool cudnn_is_built() { return false; }

}  // namespace cairn
