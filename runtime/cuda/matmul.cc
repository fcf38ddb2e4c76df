#include "runtime/cuda/matmul.h"

#include <algorithm>

#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// As many as cuBLASLt 13 ever proposes.
constexpr int kCandidates = 8;

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
                              std::int64_t columns, std::int64_t stride = 0) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(
            &made, native(dtype), static_cast<std::uint64_t>(rows),
            static_cast<std::uint64_t>(columns), stride == 0 ? rows : stride),
        "describing a matrix");
  return made;
}

cublasLtEpilogue_t native(const Product& p) {
  const bool bias = p.bias != nullptr;
  switch (p.epilogue) {
    case Epilogue::kNone:
      return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    case Epilogue::kGelu:
      if (p.pre == nullptr) {
        return bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
      }
      return bias ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS
                  : CUBLASLT_EPILOGUE_GELU_AUX;
    case Epilogue::kGeluSlope:
      require(!bias, "no bias is added before GELU's slope");
      return CUBLASLT_EPILOGUE_DGELU;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

// Whether the product may be computed again and again: not where it adds to
// what it reads.
bool repeatable(const Product& p) {
  return p.beta == 0.0F || (p.added != nullptr && p.added != p.c);
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

Matmul::Matmul(void* workspace, std::size_t bytes, bool deterministic)
    : workspace_(workspace), bytes_(bytes), deterministic_(deterministic) {
  cublasLtHandle_t made = nullptr;
  check(cublasLtCreate(&made), "opening cuBLASLt");
  library_ = Handle<cublasLtHandle_t, cublasLtDestroy>(made);
}

// Without beta, which no algorithm depends on: a product that adds and one that
// sets are of one plan.
Matmul::Key Matmul::key_of(const Product& p) {
  return {p.m,
          p.n,
          p.k,
          static_cast<std::int64_t>(p.transpose_a),
          static_cast<std::int64_t>(p.transpose_b),
          static_cast<std::int64_t>(p.in),
          static_cast<std::int64_t>(p.out),
          p.a_stride,
          p.c_stride,
          static_cast<std::int64_t>(native(p)),
          static_cast<std::int64_t>(p.bias != nullptr),
          alignment(p.a),
          alignment(p.b),
          alignment(p.c),
          alignment(p.added != nullptr ? p.added : p.c),
          alignment(p.pre)};
}

// cuBLAS counts matrices by columns: our row-major c is its c^T, which is
// op(b)^T op(a)^T.
Matmul::Plan Matmul::make_plan(const Product& p) {
  Plan plan;
  cublasLtMatmulDesc_t desc = nullptr;
  check(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F),
        to_text(p));
  plan.desc = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>(desc);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSA,
      p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(desc, CUBLASLT_MATMUL_DESC_TRANSB,
      p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, native(p));
  if (p.bias != nullptr) {
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, native(p.out));
    set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  }
  if (p.pre != nullptr) {
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, p.n);
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p.pre);
  }
  plan.a =
      Layout(p.transpose_b ? layout(p.in, p.k, p.n) : layout(p.in, p.n, p.k));
  plan.b = Layout(p.transpose_a ? layout(p.in, p.m, p.k, p.a_stride)
                                : layout(p.in, p.k, p.m, p.a_stride));
  plan.c = Layout(layout(p.out, p.n, p.m, p.c_stride));
  return plan;
}

// What the heuristic proposes, the most promising first.
std::vector<Matmul::Algorithm> Matmul::candidates(const Plan& plan,
                                                  const Product& p) const {
  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw), to_text(p));
  const Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>
      preference(raw);
  set(raw, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes_);
  set(raw, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(p.b));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(p.a));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
      alignment(p.added != nullptr ? p.added : p.c));
  set(raw, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(p.c));
  std::vector<cublasLtMatmulHeuristicResult_t> found(kCandidates);
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      library_.get(), plan.desc.get(), plan.a.get(), plan.b.get(), plan.c.get(),
      plan.c.get(), raw, kCandidates, found.data(), &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
  check(status, to_text(p));
  std::vector<Algorithm> algorithms(count);
  std::transform(found.begin(), found.begin() + count, algorithms.begin(),
                 [](const auto& each) { return each.algo; });
  return algorithms;
}

cublasStatus_t Matmul::launch(cudaStream_t stream, const Plan& plan,
                              const Product& p,
                              const Algorithm& algorithm) const {
  const float one = 1.0F;
  return cublasLtMatmul(library_.get(), plan.desc.get(), &one, p.b,
                        plan.a.get(), p.a, plan.b.get(), &p.beta,
                        p.added != nullptr ? p.added : p.c, plan.c.get(), p.c,
                        plan.c.get(), &algorithm, workspace_, bytes_, stream);
}

Matmul::Plan& Matmul::plan_of(const Product& p) {
  const Key key = key_of(p);
  const auto place = plans_.find(key);
  if (place != plans_.end()) return place->second;
  Plan& plan = plans_.emplace(key, make_plan(p)).first->second;
  const std::vector<Algorithm> proposed = candidates(plan, p);
  plan.exists = !proposed.empty();
  if (plan.exists) plan.algorithm = proposed[most_promising(p, proposed)];
  plan.chosen = deterministic_;
  return plan;
}

bool Matmul::can(const Product& p) { return plan_of(p).exists; }

void Matmul::run(cudaStream_t stream, const Product& p) {
  Plan& plan = plan_of(p);
  if (!plan.exists) {
    throw Error(Code::kDeviceFault,
                "cuBLASLt has no algorithm for " + to_text(p));
  }
  cublasLtMatmulDesc_t desc = plan.desc.get();
  if (p.bias != nullptr) set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
  if (p.pre != nullptr) {
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p.pre);
  }
  if (!plan.chosen && repeatable(p)) {
    plan.algorithm = fastest(stream, plan, p);
    plan.chosen = true;
  }
  const cublasStatus_t status = launch(stream, plan, p, plan.algorithm);
  if (status != CUBLAS_STATUS_SUCCESS) check(status, to_text(p));
}

}  // namespace cairn
