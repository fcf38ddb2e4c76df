// The gradient of layer and RMS norm in one pass: a block takes a chunk of
// rows, writes their dx, and leaves the sums for the gradients of the weights
// in `partials`, which a second kernel folds.

#include <cuda_pipeline.h>

#include "runtime/cuda/norm_rows.cuh"
#include "runtime/cuda/ops.h"
#include "runtime/cuda/reduce.cuh"

namespace cairn {
namespace {

constexpr int kMostBackwardLanes = 3;
constexpr int kMostSummedLanes = 2;    // where dx and residual are summed too
constexpr std::int64_t kChunks = 256;  // at most: two for each processor
constexpr unsigned kFoldColumns = 32;
constexpr unsigned kFoldRows = 16;

template <typename T>
struct NormBackwardArguments {
  const T* dy;
  const T* x;
  const float* stats;
  const T* weight;
  const T* residual;
  T* dx;
  float* partials;  // [chunks, 2 or 4, width]
  std::int64_t rows;
  std::int64_t chunk;  // rows of a block
  int width;
  bool rms;
};

// Rows of a chunk. A function of the number of rows alone, as is the order of
// the sums.
std::int64_t chunk_of(std::int64_t rows) {
  return std::max<std::int64_t>(1, (rows + 8 * kChunks - 1) / (8 * kChunks)) *
         8;
}

enum : int { kDy, kX, kResidual, kOperands };

// Rows in flight, as many as there is shared memory for two blocks.
constexpr int stages(int lanes) {
  return lanes == kMostLanes ? 1 : lanes == 3 ? 2 : 3;
}

// Rows on their way: each thread copies its own lanes of the operands into
// shared memory, S rows deep, and reads no others.
template <typename T, int V, bool W>
struct RowQueue {
  static constexpr int S = stages(V);
  static constexpr int kSlots = S * (kOperands * V + 1);

  const NormBackwardArguments<T>& a;
  PackedLane<T>* shared;

  __device__ PackedLane<T>& slot(int stage, int k) const {
    const unsigned threads = blockDim.x * blockDim.y;
    const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
    return shared[(stage * (kOperands * V + 1) + k) * threads + thread];
  }

  __device__ void fetch(std::int64_t row, std::int64_t end, int stage) const {
    if (row < end) {
      const std::int64_t offset = row * a.width;
      copy(a.dy + offset, stage, kDy);
      copy(a.x + offset, stage, kX);
      if (a.residual != nullptr) copy(a.residual + offset, stage, kResidual);
      auto* stats = slot(stage, kOperands * V).words;
      __pipeline_memcpy_async(stats, a.stats + row, sizeof(float));
      __pipeline_memcpy_async(stats + 1, a.stats + a.rows + row, sizeof(float));
    }
    __pipeline_commit();
  }

  __device__ void copy(const T* row, int stage, int operand) const {
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const Place<T, W> at(v, a.width);
      if (!at.any()) continue;
      PackedLane<T>& to = slot(stage, operand * V + v);
      if constexpr (W) {
        __pipeline_memcpy_async(&to, row + at.first, sizeof to);
      } else {
        to = at.load(row);
      }
    }
  }

  // Lane v of an operand, of a row that was fetched.
  __device__ PackedLane<T> lane(int stage, int operand, int v) const {
    return slot(stage, operand * V + v);
  }
  __device__ float2 stats(int stage) const {
    const PackedLane<T>& both = slot(stage, kOperands * V);
    return {__uint_as_float(both.words[0]), __uint_as_float(both.words[1])};
  }
};

// A thread's lanes of the weights, and K sums: for the gradients of the two
// weights and, with 4, of the residual and of dx.
template <typename T, int V, bool W, int K>
struct NormWeights {
  static constexpr int N = kLanes<T>;
  const RowQueue<T, V, W>& rows;
  int width;
  PackedLane<T> weight[V];
  float sums[K][V][N] = {};

  __device__ NormWeights(const RowQueue<T, V, W>& queue)
      : rows(queue), width(queue.a.width) {
    load_row<W>(queue.a.weight, width, true, weight);
  }

  // Adds a row, and gives the sums over this thread's lanes of the gradient of
  // hat, which is x normalised, and of its product with hat.
  __device__ void add(int stage, float (&products)[2]) {
    const float2 stats = rows.stats(stage);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      if (!Place<T, W>(v, width).any()) continue;
      const PackedLane<T> dy = rows.lane(stage, kDy, v);
      const PackedLane<T> x = rows.lane(stage, kX, v);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float hat = (x[i] - stats.x) * stats.y;
        const float g = dy[i] * (1.0F + weight[v][i]);
        sums[0][v][i] += dy[i] * hat;
        sums[1][v][i] += dy[i];
        products[0] += g;
        products[1] += g * hat;
      }
    }
  }

  // dx of a row, given the means over it of those products.
  __device__ void write(int stage, T* dx, float2 means) {
    const float2 stats = rows.stats(stage);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const Place<T, W> at(v, width);
      if (!at.any()) continue;
      const PackedLane<T> dy = rows.lane(stage, kDy, v);
      const PackedLane<T> x = rows.lane(stage, kX, v);
      PackedLane<T> residual;
      if (rows.a.residual != nullptr) residual = rows.lane(stage, kResidual, v);
      float d[N];
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float hat = (x[i] - stats.x) * stats.y;
        const float g = dy[i] * (1.0F + weight[v][i]);
        d[i] = residual[i] + (g - means.x - hat * means.y) * stats.y;
      }
      at.store(dx, d);
      if constexpr (K == 4) {
        const PackedLane<T> stored = packed<T>(d);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          sums[2][v][i] += residual[i];
          sums[3][v][i] += stored[i];
        }
      }
    }
  }

  // Adds the sums of the group before, which lie in `shared`, and leaves the
  // result there.
  __device__ void pass_on(float* shared) {
#pragma unroll
    for (int k = 0; k < K * V; ++k) {
      float* to = shared + ((k * blockDim.x) + threadIdx.x) * N;
      float(&own)[N] = sums[k / V][k % V];
      if (threadIdx.y > 0) {
#pragma unroll
        for (int i = 0; i < N; ++i) own[i] += to[i];
      }
      store(to, N, true, own);
    }
  }

  __device__ void put(float* partials) const {
#pragma unroll
    for (int k = 0; k < K * V; ++k) {
      const Place<T, W> at(k % V, width);
      if (!at.any()) continue;
      at.store(partials + k / V * width, sums[k / V][k % V]);
    }
  }
};

template <typename T, int V, bool W, int K>
__global__ void __launch_bounds__(kBlockThreads<V>)
    norm_backward_kernel(NormBackwardArguments<T> a) {
  extern __shared__ uint4 shared[];
  const RowQueue<T, V, W> rows{a, reinterpret_cast<PackedLane<T>*>(shared)};
  constexpr int S = RowQueue<T, V, W>::S;
  NormWeights<T, V, W, K> weights(rows);
  const std::int64_t first = blockIdx.x * a.chunk;
  const std::int64_t end = min(first + a.chunk, a.rows);
  const auto width = static_cast<float>(a.width);
  const unsigned step = blockDim.y;
#pragma unroll
  for (int s = 0; s < S - 1; ++s) {
    rows.fetch(first + s * step + threadIdx.y, end, s);
  }
  int stage = 0;
  int turn = 0;
  for (std::int64_t base = first; base < end; base += step) {
    const std::int64_t row = base + threadIdx.y;
    rows.fetch(row + (S - 1) * step, end, stage == 0 ? S - 1 : stage - 1);
    __pipeline_wait_prior(S - 1);
    float products[2] = {};
    if (row < end) weights.add(stage, products);
    group_sum(products, turn);
    const float2 means = {a.rms ? 0.0F : products[0] / width,
                          products[1] / width};
    if (row < end) weights.write(stage, a.dx + row * a.width, means);
    stage = stage + 1 == S ? 0 : stage + 1;
    turn = 1 - turn;
  }
  for (unsigned g = 0; g < blockDim.y; ++g) {
    __syncthreads();
    if (blockDim.y > 1 && g == threadIdx.y) {
      weights.pass_on(reinterpret_cast<float*>(shared));
    }
  }
  if (threadIdx.y + 1 != blockDim.y) return;
  weights.put(a.partials + blockIdx.x * K * std::int64_t{a.width});
}

struct NormFold {
  const float* partials;  // [chunks, sums, width]
  std::int64_t chunks;
  std::int64_t width;
  std::int64_t sums;     // of each chunk, as NormWeights has them
  std::int64_t columns;  // to be folded
  float* to[4];          // where each of the sums goes, or null
  bool accumulate;
};

// Each thread sums every kFoldRows-th chunk of a column in order; then the sums
// of a column are added in order.
__global__ void norm_fold_kernel(NormFold fold) {
  __shared__ float sums[kFoldRows][kFoldColumns];
  const std::int64_t c =
      static_cast<std::int64_t>(blockIdx.x) * kFoldColumns + threadIdx.x;
  float sum = 0.0F;
  if (c < fold.columns) {
#pragma unroll 8
    for (std::int64_t r = threadIdx.y; r < fold.chunks; r += kFoldRows) {
      sum += fold.partials[r * fold.sums * fold.width + c];
    }
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || c >= fold.columns) return;
#pragma unroll
  for (unsigned r = 1; r < kFoldRows; ++r) sum += sums[r][threadIdx.x];
  float* all = nullptr;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (c / fold.width == k) all = fold.to[k];
  }
  if (all == nullptr) return;
  float& to = all[c % fold.width];
  to = fold.accumulate ? to + sum : sum;
}

template <typename Kernel>
void allow_shared(Kernel* kernel, std::size_t bytes) {
  // 48 KiB are to be had unasked, with what a kernel declares counted in.
  if (bytes <= (std::size_t{32} << 10)) return;
  check(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           static_cast<int>(bytes)),
      "asking for shared memory for norm_backward");
}

template <typename T>
void backward(const Lane& lane, const NormBackward& op, std::int64_t chunk,
              int sums, float* partials) {
  const std::int64_t width = op.x.shape[1];
  NormBackwardArguments<T> a = {};
  a.dy = data_of<T>(op.dy);
  a.x = data_of<T>(op.x);
  a.stats = op.stats.as<float>();
  a.weight = data_of<T>(op.weight);
  a.residual = data_of<T>(op.residual);
  a.dx = data_of<T>(op.dx);
  a.partials = partials;
  a.rows = op.x.shape[0];
  a.chunk = chunk;
  a.width = static_cast<int>(width);
  a.rms = op.kind == NormKind::kRms;
  const bool wide = is_wide(width, op.dy, op.x, op.weight, op.residual, op.dx);
  const Spread spread =
      spread_of<T>(width, sums == 4 ? kMostSummedLanes : kMostBackwardLanes);
  const dim3 block = spread.block();
  by_form(spread, wide, [&](auto form) {
    constexpr int V = form.kLanesEach;
    const auto kernel = sums == 4 ? norm_backward_kernel<T, V, form.kWide, 4>
                                  : norm_backward_kernel<T, V, form.kWide, 2>;
    const std::size_t shared = sizeof(PackedLane<T>) * block.x * block.y *
                               RowQueue<T, V, form.kWide>::kSlots;
    allow_shared(kernel, shared);
    kernel<<<blocks_of(a.rows, chunk), block, shared, lane.stream>>>(a);
  });
  check_launch("norm_backward");
}

}  // namespace

void run(const Lane& lane, const NormBackward& op) {
  if (op.x.elements() == 0) return;
  const std::int64_t rows = op.x.shape[0];
  NormFold fold = {};
  fold.width = op.x.shape[1];
  fold.to[0] = op.dweight.as<float>();
  fold.to[1] = data_of<float>(op.dbias);
  fold.to[2] = data_of<float>(op.residual_sums);
  fold.to[3] = data_of<float>(op.dx_sums);
  const int sums = op.residual_sums || op.dx_sums ? 4 : 2;
  fold.sums = sums;
  fold.columns = (sums == 4 ? 4 : op.dbias ? 2 : 1) * fold.width;
  fold.accumulate = op.accumulate;
  std::int64_t chunk = chunk_of(rows);
  float* partials = op.partials.as<float>();
  if (chunk < kNormChunk || sums > 2) {  // more than partials has room for
    partials = reinterpret_cast<float*>(lane.scratch);
    const std::int64_t most =
        std::int64_t{kScratchBytes} / (4 * sums * fold.width);
    chunk = std::max(chunk, (rows + most - 1) / most);
  }
  fold.chunks = (rows + chunk - 1) / chunk;
  fold.partials = partials;
  by_type(op.x.dtype, [&](auto zero) {
    backward<decltype(zero)>(lane, op, chunk, sums, partials);
  });
  norm_fold_kernel<<<blocks_of(fold.columns, kFoldColumns),
                     dim3(kFoldColumns, kFoldRows), 0, lane.stream>>>(fold);
  check_launch("norm_backward");
}

}  // namespace cairn
