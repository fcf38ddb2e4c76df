#include <cuda_pipeline.h>

#include <cfloat>

#include "runtime/cuda/entropy.h"
#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/reduce.cuh"

namespace cairn {
namespace {

// Two such blocks on a multiprocessor keep its rows in the cache; with more
// threads the second reading would miss it.
constexpr int kRowThreads = 768;

template <typename T>
struct Rows {
  T* logits;
  const std::int32_t* targets;
  float* losses;
  std::int64_t rows;
  std::int64_t stride;
  std::int64_t vocab;
  float scale;
  bool gradient;
};

// e^x: for bf16 by the fast instruction, whose error is far below a rounding.
template <typename T>
__device__ float power_of_e(float x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return expf(x);
  } else {
    return __expf(x);
  }
}

// The sum of e^(x - most) over some x. The least finite number as the first
// `most` keeps minus infinities from making NaN.
template <typename T>
struct Exponents {
  float most = -FLT_MAX;
  float sum = 0.0F;

  template <int N>
  __device__ void add(const float (&x)[N], int left) {
    float now = most;
#pragma unroll
    for (int i = 0; i < N; ++i) now = i < left ? fmaxf(now, x[i]) : now;
    float more = 0.0F;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      more += i < left ? power_of_e<T>(x[i] - now) : 0.0F;
    }
    sum = sum * power_of_e<T>(most - now) + more;
    most = now;
  }

  // Those of the whole block, for every thread.
  __device__ Exponents over_block() const {
    Exponents all;
    all.most = block_max(most);
    all.sum = block_sum(sum * power_of_e<T>(most - all.most));
    return all;
  }

  __device__ float loss(float wanted) const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return static_cast<float>(log(static_cast<double>(sum)) +
                                static_cast<double>(most) -
                                static_cast<double>(wanted));
    } else {
      return logf(sum) + (most - wanted);
    }
  }
};

// As store, but for what is not read again soon.
template <int N, typename T>
__device__ void put(T* p, std::int64_t left, bool wide, const float (&x)[N]) {
  if (!wide || left < N) return store(p, left, wide, x);
  uint4 raw;
  store(reinterpret_cast<T*>(&raw), N, true, x);
  __stcs(reinterpret_cast<uint4*>(p), raw);
}

// x becomes the gradient; `target` counts from its first.
template <typename T, int N>
__device__ void differentiate(const Rows<T>& a, const Exponents<T>& all,
                              int target, float (&x)[N]) {
  const float factor = a.scale / all.sum;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    x[i] = power_of_e<T>(x[i] - all.most) * factor;
    if (i == target) x[i] -= a.scale;
  }
}

// A block for each row, which it reads twice, the second time backwards: what
// it read last is most likely still in the cache. For the same reason the last
// rows come first, which the product before has just written. A row is whole
// lanes and, perhaps, a rest.
template <typename T, bool kWide>
__global__ void __launch_bounds__(kRowThreads, 2) entropy_kernel(Rows<T> a) {
  constexpr int N = kLanes<T>;
  constexpr int kStep = kRowThreads * N;
  const std::int64_t r = a.rows - 1 - blockIdx.x;
  T* row = a.logits + r * a.stride;
  const auto target = static_cast<int>(a.targets[r]);
  const auto vocab = static_cast<int>(a.vocab);
  const float wanted = static_cast<float>(row[target]);
  float x[N];
  Exponents<T> own;
  int c = static_cast<int>(threadIdx.x) * N;
#pragma unroll 4
  for (; c + N <= vocab; c += kStep) {
    load(row + c, N, kWide, x);
    own.add(x, N);
  }
  if (c < vocab) {
    load(row + c, vocab - c, kWide, x);
    own.add(x, vocab - c);
  }
  const Exponents<T> all = own.over_block();
  if (threadIdx.x == 0) a.losses[r] = all.loss(wanted);
  if (!a.gradient) return;
  if (c < vocab) {
    load(row + c, vocab - c, kWide, x);
    differentiate(a, all, target - c, x);
    store(row + c, vocab - c, kWide, x);
  }
#pragma unroll 4
  for (c -= kStep; c >= 0; c -= kStep) {
    load(row + c, N, kWide, x);
    differentiate(a, all, target - c, x);
    put(row + c, N, kWide, x);
  }
}

// A row that is too long for the cache to hold those of all blocks stays with
// its block: some lanes of each thread in registers, the others in shared
// memory, which each thread fills for itself.
constexpr int kHeldThreads = 1024;
constexpr int kInRegisters = 2;
constexpr int kInShared = 14;
constexpr int kPairs = kInShared / 2;  // of lanes that arrive together

template <typename T>
struct HeldRow {
  static constexpr int N = kLanes<T>;
  T* row;
  int vocab;
  uint4* shared;
  PackedLane<T> first[kInRegisters];

  __device__ HeldRow(T* logits, int words, uint4* memory)
      : row(logits), vocab(words), shared(memory + threadIdx.x) {}

  __device__ static int column(int v) {
    return (v * kHeldThreads + static_cast<int>(threadIdx.x)) * N;
  }
  __device__ int left(int v) const { return vocab - column(v); }

  __device__ void fetch() {
#pragma unroll
    for (int v = 0; v < kInRegisters; ++v) {
      if (left(v) > 0) first[v] = load_whole(row + column(v));
    }
#pragma unroll 2
    for (int k = 0; k < kInShared; ++k) {
      const int v = kInRegisters + k;
      if (left(v) > 0) {
        __pipeline_memcpy_async(shared + k * kHeldThreads, row + column(v),
                                sizeof(uint4));
      }
      if (k % 2 == 1) __pipeline_commit();
    }
  }

  // Lane v, of which any are there.
  __device__ void lane(int v, float (&x)[N]) const {
    const PackedLane<T> packed =
        v < kInRegisters ? first[v]
                         : *reinterpret_cast<const PackedLane<T>*>(
                               shared + (v - kInRegisters) * kHeldThreads);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = packed[i];
  }
};

template <typename T>
__global__ void __launch_bounds__(kHeldThreads, 1) held_kernel(Rows<T> a) {
  constexpr int N = kLanes<T>;
  constexpr int kAll = kInRegisters + kInShared;
  extern __shared__ uint4 shared[];
  const std::int64_t r = a.rows - 1 - blockIdx.x;
  HeldRow<T> row(a.logits + r * a.stride, static_cast<int>(a.vocab), shared);
  row.fetch();
  const auto target = static_cast<int>(a.targets[r]);
  const float wanted = static_cast<float>(row.row[target]);
  float x[N];
  Exponents<T> own;
#pragma unroll
  for (int v = 0; v < kAll; ++v) {
    const int k = v - kInRegisters;
    if (k >= 0 && k % 2 == 0) __pipeline_wait_prior(kPairs - 1 - k / 2);
    if (row.left(v) <= 0) continue;
    row.lane(v, x);
    own.add(x, row.left(v));
  }
  const Exponents<T> all = own.over_block();
  if (threadIdx.x == 0) a.losses[r] = all.loss(wanted);
  if (!a.gradient) return;
  const auto finish = [&](int v) {
    if (row.left(v) <= 0) return;
    row.lane(v, x);
    differentiate(a, all, target - row.column(v), x);
    put(row.row + row.column(v), row.left(v), true, x);
  };
#pragma unroll
  for (int v = 0; v < kInRegisters; ++v) finish(v);
#pragma unroll 2
  for (int v = kInRegisters; v < kAll; ++v) finish(v);
}

// Rows of this many bytes and more, in as many blocks as entropy_kernel has at
// once on a card of Hopper's size, take most of its 50 MiB of cache.
constexpr std::int64_t kLongRow = std::int64_t{120} << 10;

template <typename T>
bool is_held(const Rows<T>& a) {
  constexpr std::int64_t kMost = kHeldThreads * (kInRegisters + kInShared);
  return a.vocab * std::int64_t{sizeof(T)} >= kLongRow &&
         a.vocab <= kMost * kLanes<T>;
}

template <typename T>
void run_held(cudaStream_t stream, const Rows<T>& a) {
  constexpr std::size_t kBytes = sizeof(uint4) * kInShared * kHeldThreads;
  check(cudaFuncSetAttribute(held_kernel<T>,
                             cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(kBytes)),
        "asking for shared memory for cross-entropy");
  held_kernel<<<blocks_of(a.rows, 1), kHeldThreads, kBytes, stream>>>(a);
  check_launch("cross-entropy");
}

template <typename T>
void run_rows(cudaStream_t stream, const Entropy& op) {
  Rows<T> a = {};
  a.logits = data_of<T>(op.logits);
  a.targets = op.targets.as<std::int32_t>();
  a.losses = op.losses.as<float>();
  a.rows = op.logits.shape[0];
  a.stride = op.logits.shape[1];
  a.vocab = op.vocab;
  a.scale = op.scale;
  a.gradient = op.gradient;
  const bool wide = is_wide(a.stride, op.logits);
  if (wide && is_held(a)) return run_held(stream, a);
  const auto kernel = wide ? entropy_kernel<T, true> : entropy_kernel<T, false>;
  kernel<<<blocks_of(a.rows, 1), kRowThreads, 0, stream>>>(a);
  check_launch("cross-entropy");
}

}  // namespace

void run_entropy(cudaStream_t stream, const Entropy& op) {
  by_type(op.logits.dtype,
          [&](auto zero) { run_rows<decltype(zero)>(stream, op); });
}

}  // namespace cairn
