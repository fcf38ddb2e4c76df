// Matrix products by cuBLASLt. The algorithm of a product is chosen once, by
// its shape, types and alignment alone, so that a recomputed product has the
// bits of the first. Sums are f32, without TF32. One stream at a time.

#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "runtime/cuda/handle.h"
#include "runtime/dtype.h"

namespace cairn {

// c = op(a) op(b) + beta * added + bias, row-major and dense: c [m, n], the
// sum over k. `added` may be c.
struct Product {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  const void* a = nullptr;
  bool transpose_a = false;  // a is stored [k, m]
  const void* b = nullptr;
  bool transpose_b = false;  // b is stored [n, k]
  float beta = 0.0F;
  const void* added = nullptr;
  const void* bias = nullptr;  // [n], of c's type, or none
  void* c = nullptr;
  DType in = DType::kF32;
  DType out = DType::kF32;
};

std::string to_text(const Product& p);

class Matmul {
 public:
  Matmul(void* workspace, std::size_t bytes);

  void run(cudaStream_t stream, const Product& p);

 private:
  using Layout = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
  struct Plan {
    Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> desc;
    Layout a;  // of cuBLAS's first operand, which is our b
    Layout b;
    Layout c;
    cublasLtMatmulAlgo_t algo = {};
  };
  using Key = std::array<std::int64_t, 13>;

  static Key key_of(const Product& p);
  Plan make_plan(const Product& p, const Key& key) const;

  void* workspace_;
  std::size_t bytes_;
  Handle<cublasLtHandle_t, cublasLtDestroy> library_;
  std::map<Key, Plan> plans_;
};

}  // namespace cairn
