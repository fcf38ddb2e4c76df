// y = activation(x w^T + bias) and its gradients: cuBLASLt with bias and
// residual in its epilogue; activations and dropout follow in kernels of ours,
// so that recompute gives the same bits. Where it need not, GELU and its slope
// are in the epilogue as well.

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

// Runs the product with its epilogue, if cuBLASLt's may be used: it rounds
// otherwise than our GELU, so that an activation made again would differ.
bool fused(const Lane& lane, Product p, Epilogue epilogue,
           const TensorView& pre) {
  if (lane.deterministic || p.out != DType::kBF16) return false;
  if (!is_wide(p.n, pre)) return false;
  p.epilogue = epilogue;
  p.pre = pre.data;
  if (!lane.matmul.can(p)) return false;
  lane.matmul.run(lane.stream, p);
  return true;
}

}  // namespace

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
  if (fused(lane, p, Epilogue::kGelu, op.pre)) return;
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
  if (op.activation == Activation::kNone) {
    lane.matmul.run(lane.stream, p);
    return;
  }
  if (!fused(lane, p, Epilogue::kGeluSlope, op.pre)) {
    lane.matmul.run(lane.stream, p);
    sum_columns(lane, {op.dx, op.pre, op.dbias, op.accumulate});
  } else if (op.dbias) {
    sum_columns(lane, {op.dx, {}, op.dbias, op.accumulate});
  }
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
  if (op.dbias) sum_columns(lane, {op.dy, {}, op.dbias, op.accumulate});
}

}  // namespace cairn
