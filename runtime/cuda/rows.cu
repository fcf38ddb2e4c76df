// Rotary, SwiGLU, GELU and dropout.

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

constexpr int kMostAngles = 512;

struct Turning {
  std::int64_t sequence;
  std::int64_t width;  // of a row of qkv
  int heads;           // that are turned: queries, then keys
  int half;
  double slope;
  float direction;
};

// A block for each token: the angles once, then all heads.
template <typename T>
__global__ void rotary_kernel(T* qkv, Turning a) {
  __shared__ float cosine[kMostAngles];
  __shared__ float sine[kMostAngles];
  const double position = static_cast<double>(blockIdx.x % a.sequence);
  for (int i = threadIdx.x; i < a.half; i += blockDim.x) {
    const double angle = position * exp(a.slope * i);
    double s = 0.0;
    double c = 0.0;
    sincos(angle, &s, &c);
    cosine[i] = static_cast<float>(c);
    sine[i] = static_cast<float>(s) * a.direction;
  }
  __syncthreads();
  T* row = qkv + blockIdx.x * a.width;
  for (int k = threadIdx.x; k < a.heads * a.half; k += blockDim.x) {
    const int i = k % a.half;
    T* head = row + k / a.half * 2 * a.half;
    const float x = static_cast<float>(head[i]);
    const float y = static_cast<float>(head[i + a.half]);
    head[i] = static_cast<T>(x * cosine[i] - y * sine[i]);
    head[i + a.half] = static_cast<T>(y * cosine[i] + x * sine[i]);
  }
}

template <typename T>
void gelu(const Lane& lane, const Gelu& op) {
  constexpr int N = kLanes<T>;
  const bool wide = is_wide(0, op.x, op.y);
  const T* x = data_of<T>(op.x);
  T* y = data_of<T>(op.y);
  for_each<N>(lane.stream, op.x.elements(),
              [=] __device__(std::int64_t at, std::int64_t left) {
                float v[N];
                load(x + at, left, wide, v);
#pragma unroll
                for (int i = 0; i < N; ++i) v[i] = gelu_of(v[i]);
                store(y + at, left, wide, v);
              });
  check_launch("gelu");
}

template <typename T>
void swiglu(const Lane& lane, const SwigluForward& op) {
  constexpr int N = kLanes<T>;
  const std::int64_t width = op.y.shape[1];
  const bool wide = is_wide(width, op.gate_up, op.y);
  const T* in = data_of<T>(op.gate_up);
  T* y = data_of<T>(op.y);
  for_rows<N>(
      lane.stream, op.y.shape[0], width,
      [=] __device__(std::int64_t r, std::int64_t c, std::int64_t left) {
        float g[N];
        float u[N];
        load(in + r * 2 * width + c, left, wide, g);
        load(in + r * 2 * width + width + c, left, wide, u);
#pragma unroll
        for (int i = 0; i < N; ++i) u[i] *= g[i] * logistic(g[i]);
        store(y + r * width + c, left, wide, u);
      });
  check_launch("swiglu_forward");
}

template <typename T>
void swiglu_gradient(const Lane& lane, const SwigluBackward& op) {
  constexpr int N = kLanes<T>;
  const std::int64_t width = op.dy.shape[1];
  const bool wide = is_wide(width, op.gate_up, op.dy, op.dgate_up);
  const T* in = data_of<T>(op.gate_up);
  const T* dy = data_of<T>(op.dy);
  T* out = data_of<T>(op.dgate_up);
  for_rows<N>(
      lane.stream, op.dy.shape[0], width,
      [=] __device__(std::int64_t r, std::int64_t c, std::int64_t left) {
        const std::int64_t at = r * 2 * width + c;
        float g[N];
        float u[N];
        float d[N];
        load(in + at, left, wide, g);
        load(in + at + width, left, wide, u);
        load(dy + r * width + c, left, wide, d);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          const float s = logistic(g[i]);
          u[i] = d[i] * u[i] * (s + g[i] * s * (1.0F - s));
          d[i] = d[i] * g[i] * s;
        }
        store(out + at, left, wide, u);
        store(out + at + width, left, wide, d);
      });
  check_launch("swiglu_backward");
}

template <typename T>
void drop_rows(const Lane& lane, const TensorView& x, const TensorView& y,
               const Draw& draw) {
  constexpr int N = kLanes<T>;
  const std::int64_t width = x.shape[1];
  const bool wide = is_wide(width, x, y);
  const T* from = data_of<T>(x);
  T* to = data_of<T>(y);
  for_rows<N>(
      lane.stream, x.shape[0], width,
      [=] __device__(std::int64_t r, std::int64_t c, std::int64_t left) {
        float v[N];
        load(from + r * width + c, left, wide, v);
        drop(draw, r, c, v);
        store(to + r * width + c, left, wide, v);
      });
  check_launch("dropout");
}

}  // namespace

void run(const Lane& lane, const Rotary& op) {
  const AttentionShape& s = op.shape;
  Turning a = {};
  a.sequence = s.sequence;
  a.width = s.qkv_width();
  a.heads = static_cast<int>(s.heads + s.kv_heads);
  a.half = static_cast<int>(s.head_size / 2);
  a.slope = -std::log(static_cast<double>(op.theta)) / a.half;
  a.direction = op.inverse ? -1.0F : 1.0F;
  by_type(op.qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    rotary_kernel<T>
        <<<blocks_of(s.samples * s.sequence, 1), kThreads, 0, lane.stream>>>(
            data_of<T>(op.qkv), a);
  });
  check_launch("rotary");
}

void run(const Lane& lane, const SwigluForward& op) {
  by_type(op.y.dtype, [&](auto zero) { swiglu<decltype(zero)>(lane, op); });
}

void run(const Lane& lane, const SwigluBackward& op) {
  by_type(op.dy.dtype,
          [&](auto zero) { swiglu_gradient<decltype(zero)>(lane, op); });
}

void run(const Lane& lane, const Gelu& op) {
  by_type(op.x.dtype, [&](auto zero) { gelu<decltype(zero)>(lane, op); });
}

void run_dropout(const Lane& lane, const TensorView& x, const TensorView& y,
                 const Dropout& dropout, std::int64_t sequence) {
  const Draw draw = draw_of(dropout, sequence);
  by_type(x.dtype,
          [&](auto zero) { drop_rows<decltype(zero)>(lane, x, y, draw); });
}

}  // namespace cairn
