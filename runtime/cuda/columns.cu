#include <algorithm>

#include "runtime/cuda/columns.h"
#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"

namespace cairn {
namespace {

// A block of threads lies over a piece of a matrix: 32 threads across, each
// with 16 bytes of a row, and 8 down, each with some rows in flight.
constexpr int kAcross = 32;
constexpr int kDown = 8;
template <bool kSlope>
inline constexpr int kAhead = kSlope ? 2 : 8;
constexpr int kFoldDown = 16;

template <typename T>
struct Columns {
  const T* pre;
  T* x;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t chunk;  // rows a block
  float* partials;     // [chunks, columns], or none
};

// 16 bytes of a row, of which `left` elements are there.
template <bool kWide, typename T>
__device__ uint4 piece_of(const T* p, std::int64_t left) {
  if constexpr (kWide) {
    return *reinterpret_cast<const uint4*>(p);
  } else {
    uint4 raw = {};
    T* elements = reinterpret_cast<T*>(&raw);
#pragma unroll
    for (int i = 0; i < kLanes<T>; ++i) {
      if (i < left) elements[i] = p[i];
    }
    return raw;
  }
}

template <bool kWide, typename T>
__device__ void put_piece(T* p, std::int64_t left, const uint4& raw) {
  if constexpr (kWide) {
    *reinterpret_cast<uint4*>(p) = raw;
  } else {
    const T* elements = reinterpret_cast<const T*>(&raw);
#pragma unroll
    for (int i = 0; i < kLanes<T>; ++i) {
      if (i < left) p[i] = elements[i];
    }
  }
}

template <typename T>
__device__ void multiply_by_slope(uint4& x, const uint4& pre) {
  T* values = reinterpret_cast<T*>(&x);
  const T* at = reinterpret_cast<const T*>(&pre);
#pragma unroll
  for (int i = 0; i < kLanes<T>; ++i) {
    values[i] = static_cast<T>(static_cast<float>(values[i]) *
                               gelu_slope(static_cast<float>(at[i])));
  }
}

// Every eighth row from `first` on, as far as `end`, of one thread's columns:
// sums[] += x, after its slope. Loads of several rows come before their use.
template <bool kWide, bool kSlope, typename T>
__device__ void add_rows(const Columns<T>& a, std::int64_t first,
                         std::int64_t end, std::int64_t column,
                         float (&sums)[kLanes<T>]) {
  const std::int64_t left = a.columns - column;
  for (std::int64_t r = first; r < end; r += kDown * kAhead<kSlope>) {
    uint4 x[kAhead<kSlope>] = {};
    uint4 pre[kAhead<kSlope>] = {};
#pragma unroll
    for (int u = 0; u < kAhead<kSlope>; ++u) {
      const std::int64_t row = r + u * kDown;
      if (row >= end) break;
      const std::int64_t at = row * a.columns + column;
      x[u] = piece_of<kWide>(a.x + at, left);
      if constexpr (kSlope) pre[u] = piece_of<kWide>(a.pre + at, left);
    }
#pragma unroll
    for (int u = 0; u < kAhead<kSlope>; ++u) {
      const std::int64_t row = r + u * kDown;
      if (row >= end) break;
      if constexpr (kSlope) {
        multiply_by_slope<T>(x[u], pre[u]);
        put_piece<kWide>(a.x + row * a.columns + column, left, x[u]);
      }
      const T* values = reinterpret_cast<const T*>(&x[u]);
#pragma unroll
      for (int i = 0; i < kLanes<T>; ++i) {
        sums[i] += static_cast<float>(values[i]);
      }
    }
  }
}

// partials[chunk][c] = the sum of x[row][c] over the rows of the chunk.
template <typename T, bool kWide, bool kSlope>
__global__ void __launch_bounds__(kAcross* kDown) columns_kernel(Columns<T> a) {
  constexpr int N = kLanes<T>;
  __shared__ float shared[kDown][kAcross * N];
  const int across = threadIdx.x % kAcross;
  const int down = threadIdx.x / kAcross;
  const std::int64_t base = std::int64_t{blockIdx.y} * kAcross * N;
  const std::int64_t column = base + across * N;
  const std::int64_t first = blockIdx.x * a.chunk;
  float sums[N] = {};
  if (column < a.columns) {
    add_rows<kWide, kSlope>(a, first + down, min(first + a.chunk, a.rows),
                            column, sums);
  }
  if (a.partials == nullptr) return;
#pragma unroll
  for (int i = 0; i < N; ++i) shared[down][across * N + i] = sums[i];
  __syncthreads();
  for (int i = threadIdx.x; i < kAcross * N; i += kAcross * kDown) {
    if (base + i >= a.columns) break;
    float sum = 0.0F;
#pragma unroll
    for (int d = 0; d < kDown; ++d) sum += shared[d][i];
    a.partials[blockIdx.x * a.columns + base + i] = sum;
  }
}

__global__ void __launch_bounds__(32 * kFoldDown) fold_kernel(ColumnFold fold) {
  __shared__ float shared[kFoldDown][32];
  const int across = threadIdx.x % 32;
  const int down = threadIdx.x / 32;
  const std::int64_t c = std::int64_t{blockIdx.x} * 32 + across;
  float sum = 0.0F;
  if (c < fold.columns) {
#pragma unroll 8
    for (std::int64_t i = down; i < fold.rows; i += kFoldDown) {
      sum += fold.from[i * fold.stride + c];
    }
  }
  shared[down][across] = sum;
  __syncthreads();
  if (down != 0 || c >= fold.columns) return;
  float all = fold.accumulate ? fold.to[c] : 0.0F;
#pragma unroll
  for (int d = 0; d < kFoldDown; ++d) all += shared[d][across];
  fold.to[c] = all;
}

template <typename T, bool kSlope>
void launch(cudaStream_t stream, const Columns<T>& a, bool wide) {
  const dim3 grid(blocks_of(a.rows, a.chunk),
                  blocks_of(a.columns, kAcross * kLanes<T>));
  const auto kernel =
      wide ? columns_kernel<T, true, kSlope> : columns_kernel<T, false, kSlope>;
  kernel<<<grid, kAcross * kDown, 0, stream>>>(a);
  check_launch("sums over rows");
}

// Rows a block, unless that makes more partial sums than the scratch holds.
std::int64_t chunk_of(const ColumnSums& op) {
  const std::int64_t rows = op.x.shape[0];
  const std::int64_t most =
      static_cast<std::int64_t>(kScratchBytes / sizeof(float)) / op.x.shape[1];
  require(most > 0, "sums over rows: over 8 million columns");
  return std::max<std::int64_t>(op.pre ? 128 : 256, (rows + most - 1) / most);
}

template <typename T>
void sum_all(const Lane& lane, const ColumnSums& op) {
  Columns<T> a = {};
  a.pre = data_of<T>(op.pre);
  a.x = data_of<T>(op.x);
  a.rows = op.x.shape[0];
  a.columns = op.x.shape[1];
  a.chunk = chunk_of(op);
  if (op.sums) a.partials = reinterpret_cast<float*>(lane.scratch);
  const bool wide = is_wide(a.columns, op.x, op.pre);
  op.pre ? launch<T, true>(lane.stream, a, wide)
         : launch<T, false>(lane.stream, a, wide);
  if (!op.sums) return;
  fold_columns(lane.stream,
               {a.partials, (a.rows + a.chunk - 1) / a.chunk, a.columns,
                op.accumulate, op.sums.as<float>(), a.columns});
}

}  // namespace

void fold_columns(cudaStream_t stream, const ColumnFold& fold) {
  fold_kernel<<<blocks_of(fold.columns, 32), 32 * kFoldDown, 0, stream>>>(fold);
  check_launch("the fold of partial sums");
}

void sum_columns(const Lane& lane, const ColumnSums& op) {
  by_type(op.x.dtype, [&](auto zero) { sum_all<decltype(zero)>(lane, op); });
}

}  // namespace cairn
