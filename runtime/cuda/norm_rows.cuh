// How norms lay out rows: a row belongs to a group of whole warps, the threads
// of one threadIdx.y, and lies in their registers, V lanes a thread, lane v of
// thread x at column (v * group + x) * kLanes.

#pragma once

#include <algorithm>

#include "runtime/cuda/lanes.cuh"

namespace cairn {

constexpr unsigned kGroupThreads = 256;  // of a block that has several groups
constexpr unsigned kMostGroup = 1024;
constexpr int kMostLanes = 4;  // a thread, and what groups of 1024 have

struct Spread {
  int lanes;       // V
  unsigned group;  // threads that share a row

  dim3 block() const { return {group, std::max(1U, kGroupThreads / group)}; }
};

// The smallest group in which no thread has over `most` lanes.
template <typename T>
Spread spread_of(std::int64_t width, int most) {
  const std::int64_t lanes = (width + kLanes<T> - 1) / kLanes<T>;
  for (unsigned group = 32; group < kMostGroup; group *= 2) {
    if (lanes > std::int64_t{group} * most) continue;
    return {static_cast<int>((lanes + group - 1) / group), group};
  }
  require(lanes <= std::int64_t{kMostGroup} * kMostLanes,
          "a norm takes rows of at most 64 KiB on CUDA");
  return {kMostLanes, kMostGroup};
}

// A bound for the compiler.
template <int V>
inline constexpr int kBlockThreads = V == kMostLanes ? 1024 : 512;

// What a kernel is compiled for: V lanes a thread, and whether rows are whole
// aligned lanes (W).
template <int V, bool W>
struct Form {
  static constexpr int kLanesEach = V;
  static constexpr bool kWide = W;
};

template <bool W, typename Work>
void by_lanes(int lanes, const Work& work) {
  switch (lanes) {
    case 1:
      return work(Form<1, W>{});
    case 2:
      return work(Form<2, W>{});
    case 3:
      return work(Form<3, W>{});
    default:
      return work(Form<kMostLanes, W>{});
  }
}

// work(Form<V, W>{}) for a spread of V lanes.
template <typename Work>
void by_form(const Spread& spread, bool wide, const Work& work) {
  wide ? by_lanes<true>(spread.lanes, work)
       : by_lanes<false>(spread.lanes, work);
}

// Where this thread's lane v lies in a row of `width`: together, or, where rows
// are not whole aligned lanes, spread so that neighbouring threads have
// neighbouring elements.
template <typename T, bool W>
struct Place {
  static constexpr int N = kLanes<T>;
  int first;
  int step;
  int width;

  __device__ Place(int v, int row_width)
      : first(W ? (v * group() + thread()) * N : v * N * group() + thread()),
        step(W ? 1 : group()),
        width(row_width) {}

  __device__ static int group() { return static_cast<int>(blockDim.x); }
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  __device__ bool any() const { return first < width; }
  __device__ bool has(int i) const {
    return W ? first < width : first + i * step < width;
  }

  // The lane of the row at `p`, which has any().
  __device__ PackedLane<T> load(const T* p) const {
    if constexpr (W) {
      return load_whole(p + first);
    } else {
      float x[N];
#pragma unroll
      for (int i = 0; i < N; ++i) {
        x[i] = has(i) ? static_cast<float>(p[first + i * step]) : 0.0F;
      }
      return packed<T>(x);
    }
  }

  template <typename To>
  __device__ void store(To* p, const float (&x)[N]) const {
    if constexpr (W) {
      cairn::store(p + first, N, true, x);
    } else {
#pragma unroll
      for (int i = 0; i < N; ++i) {
        if (has(i)) p[first + i * step] = static_cast<To>(x[i]);
      }
    }
  }
};

// This thread's lanes of a row; zeros where there is nothing.
template <bool W, typename T, int V>
__device__ void load_row(const T* row, int width, bool there,
                         PackedLane<T> (&x)[V]) {
#pragma unroll
  for (int v = 0; v < V; ++v) {
    const Place<T, W> at(v, width);
    x[v] = {};
    if (there && at.any()) x[v] = at.load(row);
  }
}

}  // namespace cairn
