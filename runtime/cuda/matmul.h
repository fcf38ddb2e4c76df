// Matrix products by cuBLASLt. Sums are f32, without TF32. One stream at a
// time.
//
// A deterministic Matmul takes an algorithm of those that cuBLASLt's heuristic
// proposes, mostly the first: that depends on shape, types and alignment alone,
// so that a recomputed product, another rank and another run have the same
// bits. Otherwise the first call of a product times them on its own operands,
// which makes the host wait, and keeps the fastest.

#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cuda/handle.h"
#include "runtime/dtype.h"

namespace cairn {

// What is done to a sum before it becomes an element of c.
enum class Epilogue : std::uint8_t {
  kNone,
  kGelu,       // GELU, with its argument left in `pre` if there is one
  kGeluSlope,  // times GELU's derivative at `pre`
};

// c = epilogue(op(a) op(b) + beta * added + bias), row-major: c [m, n], the sum
// over k. `added` may be c, and lies as c does.
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
  std::int64_t a_stride = 0;  // elements from row to row; 0 where dense
  std::int64_t c_stride = 0;
  Epilogue epilogue = Epilogue::kNone;
  void* pre = nullptr;  // [m, n], dense, of c's type and alignment
};

std::string to_text(const Product& p);

class Matmul {
 public:
  Matmul(void* workspace, std::size_t bytes, bool deterministic);

  void run(cudaStream_t stream, const Product& p);

  // Whether cuBLASLt has an algorithm for it: not every card and type has every
  // epilogue.
  bool can(const Product& p);

 private:
  using Layout = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
  using Algorithm = cublasLtMatmulAlgo_t;
  struct Plan {
    Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> desc;
    Layout a;  // of cuBLAS's first operand, which is our b
    Layout b;
    Layout c;
    Algorithm algorithm = {};
    bool chosen = false;  // for good
    bool exists = false;
  };
  using Key = std::array<std::int64_t, 16>;

  static Key key_of(const Product& p);
  static Plan make_plan(const Product& p);
  Plan& plan_of(const Product& p);
  std::vector<Algorithm> candidates(const Plan& plan, const Product& p) const;
  static std::size_t most_promising(const Product& p,
                                    const std::vector<Algorithm>& proposed);
  std::optional<Algorithm> reordered(const Plan& plan,
                                     const Algorithm& algorithm) const;
  Algorithm fastest(cudaStream_t stream, const Plan& plan,
                    const Product& p) const;
  cublasStatus_t launch(cudaStream_t stream, const Plan& plan, const Product& p,
                        const Algorithm& algorithm) const;

  void* workspace_;
  std::size_t bytes_;
  bool deterministic_;
  Handle<cublasLtHandle_t, cublasLtDestroy> library_;
  std::map<Key, Plan> plans_;
};

}  // namespace cairn
