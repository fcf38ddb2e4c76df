// Loaded before oneDNN (LD_PRELOAD) it counts what the program spends in
// dnnl_sgemm: at exit it writes "SECONDS FLOPS", over all threads, to the file
// that GEMM_PROBE names. bench/gemm_share.py builds and uses it.

#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

using Product = int (*)(char, char, std::int64_t, std::int64_t, std::int64_t,
                        float, const float*, std::int64_t, const float*,
                        std::int64_t, float, float*, std::int64_t);

struct Totals {
  std::atomic<std::int64_t> nanoseconds = 0;
  std::atomic<std::int64_t> flops = 0;

  ~Totals() {
    const char* name = std::getenv("GEMM_PROBE");
    std::FILE* file = name != nullptr ? std::fopen(name, "w") : nullptr;
    if (file == nullptr) return;
    std::fprintf(file, "%.9f %lld\n",
                 static_cast<double>(nanoseconds.load()) * 1e-9,
                 static_cast<long long>(flops.load()));
    std::fclose(file);
  }
};

Totals totals;

}  // namespace

extern "C" int dnnl_sgemm(char transa, char transb, std::int64_t m,
                          std::int64_t n, std::int64_t k, float alpha,
                          const float* a, std::int64_t lda, const float* b,
                          std::int64_t ldb, float beta, float* c,
                          std::int64_t ldc) {
  static const auto real =
      reinterpret_cast<Product>(dlsym(RTLD_NEXT, "dnnl_sgemm"));
  const auto begin = std::chrono::steady_clock::now();
  const int status =
      real(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  const auto end = std::chrono::steady_clock::now();
  totals.nanoseconds += (end - begin) / std::chrono::nanoseconds(1);
  totals.flops += 2 * m * n * k;
  return status;
}
