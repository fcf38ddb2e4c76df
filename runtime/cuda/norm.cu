// Layer and RMS norm. Forward and dx: a block for each row, which lies in
// shared memory. Gradients of the weights: by chunks of rows, then folded.

#include <algorithm>

#include "runtime/cuda/columns.h"
#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"
#include "runtime/cuda/reduce.cuh"

namespace cairn {
namespace {

constexpr std::size_t kMostShared = std::size_t{200} << 10;

// Threads that share a row: about four lanes each.
template <typename T>
unsigned threads_of(std::int64_t width) {
  const std::int64_t warps = (width + 128 * kLanes<T> - 1) / (128 * kLanes<T>);
  return static_cast<unsigned>(32 * std::min<std::int64_t>(warps, 32));
}

// Bytes of shared memory for `rows` rows of f32, padded to whole lanes.
std::size_t shared_bytes(std::int64_t width, int rows) {
  const std::int64_t padded = (width + 7) / 8 * 8;
  const auto bytes = static_cast<std::size_t>(padded * rows) * sizeof(float);
  require(bytes <= kMostShared, "norm: rows are too wide for the device");
  return bytes;
}

template <typename Kernel>
void allow_shared(Kernel* kernel, std::size_t bytes) {
  if (bytes <= (std::size_t{48} << 10)) return;
  check(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           static_cast<int>(bytes)),
      "asking for shared memory for a norm");
}

template <typename T>
struct ForwardArguments {
  const T* x;
  const T* branch;
  T* sum;
  const T* weight;
  const T* bias;
  T* y;
  float* stats;
  std::int64_t width;
  Draw draw;
  float epsilon;
  bool rms;
  bool wide;
};

// values = x (+ branch) of this thread's lanes, stored to sum; their total.
template <typename T>
__device__ float gather_row(const ForwardArguments<T>& a, float* values) {
  constexpr int N = kLanes<T>;
  const std::int64_t offset = blockIdx.x * a.width;
  float total = 0.0F;
  for (std::int64_t c = threadIdx.x * N; c < a.width; c += blockDim.x * N) {
    const std::int64_t left = a.width - c;
    float v[N];
    load(a.x + offset + c, left, a.wide, v);
    if (a.branch != nullptr) {
      float more[N];
      load(a.branch + offset + c, left, a.wide, more);
      drop(a.draw, blockIdx.x, c, more);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        // As it will be read back for the gradient.
        v[i] = static_cast<float>(static_cast<T>(v[i] + more[i]));
      }
      store(a.sum + offset + c, left, a.wide, v);
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      values[c + i] = v[i];
      if (i < left) total += v[i];
    }
  }
  return total;
}

template <typename T>
__device__ float squares_of_row(const float* values, std::int64_t width,
                                float mean) {
  constexpr int N = kLanes<T>;
  float squares = 0.0F;
  for (std::int64_t c = threadIdx.x * N; c < width; c += blockDim.x * N) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float d = values[c + i] - mean;
      if (c + i < width) squares += d * d;
    }
  }
  return squares;
}

template <typename T>
__global__ void norm_forward_kernel(ForwardArguments<T> a) {
  extern __shared__ float values[];  // each thread reads what it wrote
  constexpr int N = kLanes<T>;
  const auto width = static_cast<float>(a.width);
  const float total = gather_row(a, values);
  const float mean = a.rms ? 0.0F : block_sum(total) / width;
  const float squares = block_sum(squares_of_row<T>(values, a.width, mean));
  const float inverse = 1.0F / sqrtf(squares / width + a.epsilon);
  for (std::int64_t c = threadIdx.x * N; c < a.width; c += blockDim.x * N) {
    const std::int64_t left = a.width - c;
    float weight[N];
    float bias[N] = {};
    load(a.weight + c, left, a.wide, weight);
    if (a.bias != nullptr) load(a.bias + c, left, a.wide, bias);
    float v[N];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      v[i] = (values[c + i] - mean) * inverse * weight[i] + bias[i];
    }
    store(a.y + blockIdx.x * a.width + c, left, a.wide, v);
  }
  if (threadIdx.x != 0) return;
  a.stats[blockIdx.x] = mean;
  a.stats[gridDim.x + blockIdx.x] = inverse;
}

template <typename T>
struct BackwardArguments {
  const T* dy;
  const T* x;
  const float* stats;
  const T* weight;
  const T* residual;
  T* dx;
  std::int64_t rows;
  std::int64_t width;
  bool rms;
  bool wide;
};

template <typename T>
__global__ void norm_dx_kernel(BackwardArguments<T> a) {
  extern __shared__ float rows[];  // each thread reads what it wrote
  constexpr int N = kLanes<T>;
  float* const gradient = rows;                      // dy * weight
  float* const hats = rows + (a.width + 7) / 8 * 8;  // x normalised
  const std::int64_t offset = blockIdx.x * a.width;
  const float mean = a.stats[blockIdx.x];
  const float inverse = a.stats[a.rows + blockIdx.x];
  float sum = 0.0F;
  float product = 0.0F;
  for (std::int64_t c = threadIdx.x * N; c < a.width; c += blockDim.x * N) {
    const std::int64_t left = a.width - c;
    float dy[N];
    float x[N];
    float weight[N];
    load(a.dy + offset + c, left, a.wide, dy);
    load(a.x + offset + c, left, a.wide, x);
    load(a.weight + c, left, a.wide, weight);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float hat = (x[i] - mean) * inverse;
      const float g = dy[i] * weight[i];  // 0 beyond the row
      gradient[c + i] = g;
      hats[c + i] = hat;
      sum += g;
      product += g * hat;
    }
  }
  const auto width = static_cast<float>(a.width);
  const float shift = a.rms ? 0.0F : block_sum(sum) / width;
  const float slope = block_sum(product) / width;
  for (std::int64_t c = threadIdx.x * N; c < a.width; c += blockDim.x * N) {
    const std::int64_t left = a.width - c;
    float v[N] = {};
    if (a.residual != nullptr) {
      load(a.residual + offset + c, left, a.wide, v);
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      v[i] += (gradient[c + i] - shift - hats[c + i] * slope) * inverse;
    }
    store(a.dx + offset + c, left, a.wide, v);
  }
}

// partials[chunk] = the sums over kNormChunk rows of dy * hat, then of dy.
template <typename T>
__global__ void norm_weights_kernel(BackwardArguments<T> a, float* partials) {
  const std::int64_t c =
      static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  if (c >= a.width) return;
  const std::int64_t first = blockIdx.x * kNormChunk;
  const std::int64_t end = min(first + kNormChunk, a.rows);
  float weight = 0.0F;
  float bias = 0.0F;
#pragma unroll 8
  for (std::int64_t r = first; r < end; ++r) {
    const float dy = static_cast<float>(a.dy[r * a.width + c]);
    const float x = static_cast<float>(a.x[r * a.width + c]);
    weight += dy * ((x - a.stats[r]) * a.stats[a.rows + r]);
    bias += dy;
  }
  float* to = partials + blockIdx.x * 2 * a.width + c;
  to[0] = weight;
  to[a.width] = bias;
}

template <typename T>
void forward(const Lane& lane, const NormForward& op) {
  ForwardArguments<T> a = {};
  a.x = data_of<T>(op.x);
  a.branch = data_of<T>(op.branch);
  a.sum = data_of<T>(op.sum);
  a.weight = data_of<T>(op.weight);
  a.bias = data_of<T>(op.bias);
  a.y = data_of<T>(op.y);
  a.stats = op.stats.as<float>();
  a.width = op.x.shape[1];
  a.draw = draw_of(op.dropout, op.sequence);
  a.epsilon = op.epsilon;
  a.rms = op.kind == NormKind::kRms;
  a.wide = is_wide(a.width, op.x, op.branch, op.sum, op.weight, op.bias, op.y);
  const std::size_t bytes = shared_bytes(a.width, 1);
  allow_shared(norm_forward_kernel<T>, bytes);
  norm_forward_kernel<T><<<blocks_of(op.x.shape[0], 1), threads_of<T>(a.width),
                           bytes, lane.stream>>>(a);
  check_launch("norm_forward");
}

// The weights go first: dx may overwrite dy.
template <typename T>
void backward(const Lane& lane, const NormBackward& op) {
  BackwardArguments<T> a = {};
  a.dy = data_of<T>(op.dy);
  a.x = data_of<T>(op.x);
  a.stats = op.stats.as<float>();
  a.weight = data_of<T>(op.weight);
  a.residual = data_of<T>(op.residual);
  a.dx = data_of<T>(op.dx);
  a.rows = op.x.shape[0];
  a.width = op.x.shape[1];
  a.rms = op.kind == NormKind::kRms;
  a.wide = is_wide(a.width, op.dy, op.x, op.weight, op.residual, op.dx);
  const dim3 grid(blocks_of(a.rows, kNormChunk), blocks_of(a.width, 128));
  norm_weights_kernel<T>
      <<<grid, 128, 0, lane.stream>>>(a, op.partials.as<float>());
  check_launch("norm_backward");
  const std::size_t bytes = shared_bytes(a.width, 2);
  allow_shared(norm_dx_kernel<T>, bytes);
  norm_dx_kernel<T>
      <<<blocks_of(a.rows, 1), threads_of<T>(a.width), bytes, lane.stream>>>(a);
  check_launch("norm_backward");
}

}  // namespace

void run(const Lane& lane, const NormForward& op) {
  if (op.x.elements() == 0) return;
  by_type(op.x.dtype, [&](auto zero) { forward<decltype(zero)>(lane, op); });
}

void run(const Lane& lane, const NormBackward& op) {
  if (op.x.elements() == 0) return;
  by_type(op.x.dtype, [&](auto zero) { backward<decltype(zero)>(lane, op); });
  const std::int64_t width = op.x.shape[1];
  ColumnFold fold = {op.partials.as<float>(), op.partials.shape[0],   2 * width,
                     op.accumulate,           op.dweight.as<float>(), width};
  fold_columns(lane.stream, fold);
  if (!op.dbias) return;
  fold.from += width;
  fold.to = op.dbias.as<float>();
  fold_columns(lane.stream, fold);
}

}  // namespace cairn
