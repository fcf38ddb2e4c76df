// Which of cuBLASLt's algorithms a product takes.

#include <algorithm>

#include "runtime/cuda/matmul.h"
#include "runtime/cuda/status.h"

namespace cairn {
namespace {

// How often each candidate is timed; less often where a call is long enough to
// time well.
constexpr int kRounds = 4;
constexpr int kLongRounds = 3;
constexpr float kLongMilliseconds = 3.0F;
// A candidate whose first time is so much longer than the least is given up;
// one that comes closer is tried with its blocks in another order too.
constexpr float kHopeless = 1.2F;
constexpr float kClose = 1.05F;
// What the heuristic puts first stays unless another is so much faster.
constexpr float kWorthwhile = 1.01F;

// Of cublasLtMatmulTile_t, which has not all of these names before CUDA 13.
constexpr std::uint32_t kTile128x160 = 29;
constexpr std::uint32_t kTile168x128 = 197;
constexpr std::uint32_t kTile176x128 = 201;

// Times work on a stream; the host waits.
class Stopwatch {
 public:
  Stopwatch() : begin_(make()), end_(make()) {}

  template <typename Work>
  float milliseconds(cudaStream_t stream, const Work& work) const {
    check(cudaEventRecord(begin_.get(), stream), kTiming);
    work();
    check(cudaEventRecord(end_.get(), stream), kTiming);
    check(cudaEventSynchronize(end_.get()), kTiming);
    float elapsed = 0.0F;
    check(cudaEventElapsedTime(&elapsed, begin_.get(), end_.get()), kTiming);
    return elapsed;
  }

 private:
  static constexpr const char* kTiming = "timing a product";

  static cudaEvent_t make() {
    cudaEvent_t made = nullptr;
    check(cudaEventCreate(&made), kTiming);
    return made;
  }

  Handle<cudaEvent_t, cudaEventDestroy> begin_;
  Handle<cudaEvent_t, cudaEventDestroy> end_;
};

template <typename T>
T get(const cublasLtMatmulAlgo_t& algorithm,
      cublasLtMatmulAlgoConfigAttributes_t name) {
  T value = {};
  std::size_t written = 0;
  check(cublasLtMatmulAlgoConfigGetAttribute(&algorithm, name, &value,
                                             sizeof(value), &written),
        "asking what an algorithm of a product is");
  return value;
}

}  // namespace

// Which of the heuristic's proposals a product takes where none is timed: the
// first, but for two kinds of large products of bf16 for which a tile that it
// names later was faster by up to 20 % at every shape that was tried on Hopper:
// gradients of inputs that are wider than outputs, and outputs without bias
// that are far wider than inputs.
std::size_t Matmul::most_promising(const Product& p,
                                   const std::vector<Algorithm>& proposed) {
  constexpr std::int64_t kLarge = std::int64_t{4} * 132 * 128 * 160;
  if (p.m * p.n < kLarge || p.transpose_a || p.bias != nullptr ||
      p.epilogue != Epilogue::kNone || p.in != DType::kBF16) {
    return 0;
  }
  const bool gradient = !p.transpose_b && p.n > p.k;
  const bool wide = p.transpose_b && p.n > 4 * p.k;
  for (std::size_t i = 0; i < proposed.size(); ++i) {
    const auto tile =
        get<std::uint32_t>(proposed[i], CUBLASLT_ALGO_CONFIG_TILE_ID);
    if (gradient && tile == kTile128x160) return i;
    if (wide && (tile == kTile168x128 || tile == kTile176x128)) return i;
  }
  return 0;
}

// The same algorithm with its blocks in another order, which finds more in the
// cache or less; or none.
std::optional<Matmul::Algorithm> Matmul::reordered(
    const Plan& plan, const Algorithm& algorithm) const {
  constexpr auto kOrder = CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING;
  const std::uint32_t other = get<std::uint32_t>(algorithm, kOrder) == 0;
  Algorithm made = algorithm;
  cublasLtMatmulHeuristicResult_t judged = {};
  const bool good =
      cublasLtMatmulAlgoConfigSetAttribute(
          &made, kOrder, &other, sizeof(other)) == CUBLAS_STATUS_SUCCESS &&
      cublasLtMatmulAlgoCheck(library_.get(), plan.desc.get(), plan.a.get(),
                              plan.b.get(), plan.c.get(), plan.c.get(), &made,
                              &judged) == CUBLAS_STATUS_SUCCESS &&
      judged.workspaceSize <= bytes_;
  return good ? std::optional(made) : std::nullopt;
}

// The candidates take turns, since a card slows down as it warms up.
Matmul::Algorithm Matmul::fastest(cudaStream_t stream, const Plan& plan,
                                  const Product& p) const {
  struct Tried {
    Algorithm algorithm;
    float milliseconds;
  };
  const Stopwatch watch;
  const auto time_of = [&](const Algorithm& algorithm) {
    return watch.milliseconds(
        stream, [&] { check(launch(stream, plan, p, algorithm), to_text(p)); });
  };
  std::vector<Tried> tried;
  const auto try_out = [&](const Algorithm& each) {
    // The first call of a candidate loads its code.
    if (launch(stream, plan, p, each) != CUBLAS_STATUS_SUCCESS) return;
    tried.push_back({each, time_of(each)});
  };
  for (const Algorithm& each : candidates(plan, p)) try_out(each);
  if (tried.empty()) return plan.algorithm;
  const auto faster = [](const Tried& a, const Tried& b) {
    return a.milliseconds < b.milliseconds;
  };
  const float least =
      std::min_element(tried.begin(), tried.end(), faster)->milliseconds;
  for (std::size_t i = 0, proposed = tried.size(); i < proposed; ++i) {
    if (tried[i].milliseconds > kClose * least) continue;
    if (const auto other = reordered(plan, tried[i].algorithm)) try_out(*other);
  }
  std::erase_if(tried, [&](const Tried& each) {
    return each.milliseconds > kHopeless * least;
  });
  const int rounds = least > kLongMilliseconds ? kLongRounds : kRounds;
  for (int round = 1; tried.size() > 1 && round < rounds; ++round) {
    for (Tried& each : tried) each.milliseconds += time_of(each.algorithm);
  }
  const Tried& first = tried.front();
  const Tried& best = *std::min_element(tried.begin(), tried.end(), faster);
  return first.milliseconds > kWorthwhile * best.milliseconds ? best.algorithm
                                                              : first.algorithm;
}

}  // namespace cairn
