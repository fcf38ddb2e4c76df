#include "runtime/cuda/matmul.h"

#include <algorithm>

#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

cudaDataType_t native(DType dtype) {
  return dtype == DType::kBF16 ? CUDA_R_16BF : CUDA_R_32F;
}

// The largest power of two, up to 16, that divides the address.
std::uint32_t alignment(const void* address) {
  const auto bits = reinterpret_cast<std::uintptr_t>(address) | 16U;
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

template <typename T>
void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name,
         const T& value) {
  check(cublasLtMatmulDescSetAttribute(desc, name, &value, sizeof(value)),
        "describing a product");
}

template <typename T>
void set(cublasLtMatmulPreference_t preference,
         cublasLtMatmulPreferenceAttributes_t name, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, name, &value,
                                             sizeof(value)),
        "preparing a product");
}

cublasLtMatrixLayout_t layout(DType dtype, std::int64_t rows,
                              std::int64_t columns) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(&made, native(dtype),
                                   static_cast<std::uint64_t>(rows),
                                   static_cast<std::uint64_t>(columns), rows),
        "describing a matrix");
  return made;
}

}  // namespace

std::string to_text(const Product& p) {
  const auto matrix = [](std::int64_t rows, std::int64_t columns, bool turned) {
    return "[" + std::to_string(rows) + ", " + std::to_string(columns) + "]" +
           (turned ? "^T" : "");
  };
  return std::string("the product ") + name_of(p.in) + " " +
         (p.transpose_a ? matrix(p.k, p.m, true) : matrix(p.m, p.k, false)) +
         " " +
         (p.transpose_b ? matrix(p.n, p.k, true) : matrix(p.k, p.n, false)) +
         " to " + name_of(p.out);
}

Matmul::Matmul(void* workspace, std::size_t bytes)
    : workspace_(workspace), bytes_(bytes) {
  cublasLtHandle_t made = nullptr;
  check(cublasLtCreate(&made), "opening cuBLASLt");
  library_ = Handle<cublasLtHandle_t, cublasLtDestroy>(made);
}

Matmul::Key Matmul::key_of(const Product& p) {
  return {p.m,
          p.n,
          p.k,
          static_cast<std::int64_t>(p.transpose_a),
          static_cast<std::int64_t>(p.transpose_b),
          static_cast<std::int64_t>(p.in),
          static_cast<std::int64_t>(p.out),
          static_cast<std::int64_t>(p.bias != nullptr),
          static_cast<std::int64_t>(p.beta != 0.0F),
          alignment(p.a),
          alignment(p.b),
          alignment(p.c),
          alignment(p.added != nullptr ? p.added : p.c)};
}

// cuBLAS counts matrices by columns: our row-major c is its c^T, which is
// op(b)^T op(a)^T.
Matmul::Plan Matmul::make_plan(const Product& p, const Key& key) const {
  Plan plan;
  cublasLtMatmulDesc_t desc = nullptr;
  check(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F),
        to_text(p));
  plan.desc = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>(desc);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSA,
      p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSB,
      p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.bias != nullptr) {
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, native(p.out));
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  }
  plan.a =
      Layout(p.transpose_b ? layout(p.in, p.k, p.n) : layout(p.in, p.n, p.k));
  plan.b =
      Layout(p.transpose_a ? layout(p.in, p.m, p.k) : layout(p.in, p.k, p.m));
  plan.c = Layout(layout(p.out, p.n, p.m));

  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw), to_text(p));
  const Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>
      preference(raw);
  const auto aligned = [&](std::size_t i) {
    return static_cast<std::uint32_t>(key[i]);
  };
  set(raw, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes_);
  set(raw, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, aligned(10));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, aligned(9));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, aligned(12));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, aligned(11));
  cublasLtMatmulHeuristicResult_t found = {};
  int count = 0;
  check(cublasLtMatmulAlgoGetHeuristic(library_.get(), desc, plan.a.get(),
                                       plan.b.get(), plan.c.get(), plan.c.get(),
                                       raw, 1, &found, &count),
        to_text(p));
  if (count == 0) {
    throw Error(Code::kDeviceFault,
                "cuBLASLt has no algorithm for " + to_text(p));
  }
  plan.algo = found.algo;
  return plan;
}

void Matmul::run(cudaStream_t stream, const Product& p) {
  const Key key = key_of(p);
  auto place = plans_.find(key);
  if (place == plans_.end()) {
    place = plans_.emplace(key, make_plan(p, key)).first;
  }
  const Plan& plan = place->second;
  if (p.bias != nullptr) {
    set(plan.desc.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  }
  const float one = 1.0F;
  const cublasStatus_t status = cublasLtMatmul(
      library_.get(), plan.desc.get(), &one, p.b, plan.a.get(), p.a,
      plan.b.get(), &p.beta, p.added != nullptr ? p.added : p.c, plan.c.get(),
      p.c, plan.c.get(), &plan.algo, workspace_, bytes_, stream);
  if (status != CUBLAS_STATUS_SUCCESS) check(status, to_text(p));
}

}  // namespace cairn
