// y = activation(x w^T + bias) and its gradients: cuBLASLt with bias and
// residual in its epilogue; activations and dropout follow in kernels of ours,
// so that recompute gives the same bits.

#include <algorithm>

#include "runtime/cuda/columns.h"
#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

Product product_of(const LinearForward& op) {
  Product p;
  p.m = op.x.shape[0];
  p.n = op.w.shape[0];
  p.k = op.x.shape[1];
  p.a = op.x.data;
  p.b = op.w.data;
  p.transpose_b = true;
  p.bias = op.bias.data;
  p.c = op.y.data;
  p.in = op.x.dtype;
  p.out = op.x.dtype;
  return p;
}

// Rows from `first` on of what LinearForward finishes, and their products.
struct DropRows {
  std::int64_t first;
  std::int64_t rows;
  const void* product;
};

template <typename T>
void finish_rows(const Lane& lane, const LinearForward& op,
                 const DropRows& part) {
  constexpr int N = kLanes<T>;
  const std::int64_t n = op.w.shape[0];
  const Draw draw = draw_of(op.dropout, op.sequence);
  const bool wide = is_wide(n, op.y, op.residual);
  const T* product = static_cast<const T*>(part.product);
  const T* residual = data_of<T>(op.residual);
  T* y = data_of<T>(op.y);
  const std::int64_t first = part.first;
  for_rows<N>(
      lane.stream, part.rows, n,
      [=] __device__(std::int64_t r, std::int64_t c, std::int64_t left) {
        const std::int64_t at = (first + r) * n + c;
        float v[N];
        load(product + r * n + c, left, wide, v);
        drop(draw, first + r, c, v);
        if (residual != nullptr) {
          float old[N];
          load(residual + at, left, wide, old);
#pragma unroll
          for (int i = 0; i < N; ++i) v[i] += old[i];
        }
        store(y + at, left, wide, v);
      });
  check_launch("linear_forward");
}

// While y holds the residual, products go aside, some rows at a time.
void run_dropped(const Lane& lane, const LinearForward& op) {
  Product p = product_of(op);
  const std::int64_t tokens = p.m;
  const bool aside = op.residual && op.residual.data == op.y.data;
  std::int64_t most = tokens;
  const auto row = static_cast<std::size_t>(p.n) * size_of(op.x.dtype);
  if (aside) {
    most = static_cast<std::int64_t>(kScratchBytes / row);
    require(most > 0, "linear_forward: a row of outputs is over 32 MiB");
  }
  for (std::int64_t first = 0; first < tokens; first += most) {
    p.m = std::min(most, tokens - first);
    p.a =
        op.x.data + static_cast<std::size_t>(first * p.k) * size_of(op.x.dtype);
    p.c = aside ? lane.scratch : op.y.data;
    lane.matmul.run(lane.stream, p);
    by_type(op.x.dtype, [&](auto zero) {
      finish_rows<decltype(zero)>(lane, op, {first, p.m, p.c});
    });
  }
}

template <typename T>
void multiply_by_slope(const Lane& lane, const LinearBackwardInput& op) {
  constexpr int N = kLanes<T>;
  const bool wide = is_wide(0, op.dx, op.pre);
  const T* pre = data_of<T>(op.pre);
  T* dx = data_of<T>(op.dx);
  for_each<N>(lane.stream, op.dx.elements(),
              [=] __device__(std::int64_t at, std::int64_t left) {
                float d[N];
                float x[N];
                load(dx + at, left, wide, d);
                load(pre + at, left, wide, x);
#pragma unroll
                for (int i = 0; i < N; ++i) d[i] *= gelu_slope(x[i]);
                store(dx + at, left, wide, d);
              });
  check_launch("linear_backward_input");
}

__global__ void fold_kernel(ColumnFold fold) {
  const std::int64_t c =
      static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c >= fold.columns) return;
  float sum = fold.accumulate ? fold.to[c] : 0.0F;
#pragma unroll 8
  for (std::int64_t i = 0; i < fold.rows; ++i) {
    sum += fold.from[i * fold.stride + c];
  }
  fold.to[c] = sum;
}

// partials[chunk][c] = the sum of dy[row][c] over the rows of the chunk.
template <typename T>
__global__ void sum_rows_kernel(const T* dy, std::int64_t rows,
                                std::int64_t columns, std::int64_t chunk,
                                float* partials) {
  const std::int64_t c =
      static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  if (c >= columns) return;
  const std::int64_t first = blockIdx.x * chunk;
  const std::int64_t end = min(first + chunk, rows);
  float sum = 0.0F;
#pragma unroll 8
  for (std::int64_t r = first; r < end; ++r) {
    sum += static_cast<float>(dy[r * columns + c]);
  }
  partials[blockIdx.x * columns + c] = sum;
}

void sum_rows(const Lane& lane, const LinearBackwardWeight& op) {
  const std::int64_t rows = op.dy.shape[0];
  const std::int64_t columns = op.dy.shape[1];
  const std::int64_t most =
      static_cast<std::int64_t>(kScratchBytes / sizeof(float)) / columns;
  require(most > 0, "linear_backward_weight: over 8 million outputs");
  const std::int64_t chunk =
      std::max<std::int64_t>(64, (rows + most - 1) / most);
  auto* partials = reinterpret_cast<float*>(lane.scratch);
  const dim3 grid(blocks_of(rows, chunk), blocks_of(columns, 128));
  by_type(op.dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    sum_rows_kernel<T><<<grid, 128, 0, lane.stream>>>(data_of<T>(op.dy), rows,
                                                      columns, chunk, partials);
  });
  check_launch("linear_backward_weight");
  fold_columns(lane.stream, {partials, (rows + chunk - 1) / chunk, columns,
                             op.accumulate, op.dbias.as<float>(), columns});
}

}  // namespace

void fold_columns(cudaStream_t stream, const ColumnFold& fold) {
  fold_kernel<<<blocks_of(fold.columns, 64), 64, 0, stream>>>(fold);
  check_launch("the fold of partial sums");
}

void run(const Lane& lane, const LinearForward& op) {
  if (op.y.elements() == 0) return;
  if (op.dropout) return run_dropped(lane, op);
  Product p = product_of(op);
  if (op.activation == Activation::kNone) {
    p.added = op.residual.data;
    p.beta = op.residual ? 1.0F : 0.0F;
    lane.matmul.run(lane.stream, p);
    return;
  }
  const TensorView& pre = op.pre ? op.pre : op.y;
  p.c = pre.data;
  lane.matmul.run(lane.stream, p);
  run(lane, Gelu{pre, op.y});
}

void run(const Lane& lane, const LinearBackwardInput& op) {
  if (op.dx.elements() == 0) return;
  Product p;
  p.m = op.dy.shape[0];
  p.n = op.w.shape[1];
  p.k = op.w.shape[0];
  p.a = op.dy.data;
  p.b = op.w.data;
  p.c = op.dx.data;
  p.in = op.dy.dtype;
  p.out = op.dy.dtype;
  lane.matmul.run(lane.stream, p);
  if (op.activation == Activation::kNone) return;
  by_type(op.dx.dtype,
          [&](auto zero) { multiply_by_slope<decltype(zero)>(lane, op); });
}

void run(const Lane& lane, const LinearBackwardWeight& op) {
  Product p;
  p.m = op.dy.shape[1];
  p.n = op.x.shape[1];
  p.k = op.dy.shape[0];
  p.a = op.dy.data;
  p.transpose_a = true;
  p.b = op.x.data;
  p.beta = op.accumulate ? 1.0F : 0.0F;
  p.c = op.dw.data;
  p.in = op.dy.dtype;
  p.out = DType::kF32;
  lane.matmul.run(lane.stream, p);
  if (op.dbias) sum_rows(lane, op);
}

}  // namespace cairn
