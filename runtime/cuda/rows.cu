// Rotary, SwiGLU, GELU and dropout.

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

constexpr int kMostAngles = 512;

constexpr std::int64_t kTurnedSamples = 8;  // that share a block's angles

struct Turning {
  std::int64_t samples;
  std::int64_t sequence;
  std::int64_t width;  // of a row of qkv
  int heads;           // that are turned: queries, then keys
  int half;
  double slope;
  float direction;
};

// (x, y) turned by N angles.
template <int N>
__device__ void turn(const float* cosine, const float* sine, float (&x)[N],
                     float (&y)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float old = x[i];
    x[i] = old * cosine[i] - y[i] * sine[i];
    y[i] = y[i] * cosine[i] + old * sine[i];
  }
}

// The angles of a position, in whole turns reduced in f64.
__device__ inline void angles_of(double position, const Turning& a,
                                 float* cosine, float* sine) {
  constexpr double kTurn = 0.15915494309189533577;  // 1 / (2 pi)
  for (int i = threadIdx.x; i < a.half; i += blockDim.x) {
    const double turns = position * exp(a.slope * i) * kTurn;
    const auto rest = static_cast<float>(turns - rint(turns));
    float s = 0.0F;
    float c = 0.0F;
    sincospif(2.0F * rest, &s, &c);
    cosine[i] = c;
    sine[i] = s * a.direction;
  }
}

// Block x is a position, block y some samples: the angles once, then all heads
// of all of them, a lane of either half a thread. N is 1 where halves are not
// whole aligned lanes.
template <typename T, int N>
__global__ void rotary_kernel(T* qkv, Turning a) {
  __shared__ __align__(16) float cosine[kMostAngles];
  __shared__ __align__(16) float sine[kMostAngles];
  angles_of(static_cast<double>(blockIdx.x), a, cosine, sine);
  __syncthreads();
  const int lanes = a.half / N;  // of half a head
  const std::int64_t first = blockIdx.y * kTurnedSamples;
  const auto samples = static_cast<int>(min(kTurnedSamples, a.samples - first));
  const int each = a.heads * lanes;
  for (int k = threadIdx.x; k < samples * each; k += blockDim.x) {
    const int sample = k / each;
    const int head = (k - sample * each) / lanes;
    const int i = (k - sample * each - head * lanes) * N;
    T* at = qkv + ((first + sample) * a.sequence + blockIdx.x) * a.width +
            2 * head * a.half + i;
    float x[N];
    float y[N];
    if constexpr (N == 1) {
      x[0] = static_cast<float>(at[0]);
      y[0] = static_cast<float>(at[a.half]);
      turn(cosine + i, sine + i, x, y);
      at[0] = static_cast<T>(x[0]);
      at[a.half] = static_cast<T>(y[0]);
    } else {
      load(at, N, true, x);
      load(at + a.half, N, true, y);
      turn(cosine + i, sine + i, x, y);
      store(at, N, true, x);
      store(at + a.half, N, true, y);
    }
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
  const bool wide = is_wide(width, op.gate_up, op.dy, op.dgate_up, op.y);
  const T* in = data_of<T>(op.gate_up);
  const T* dy = data_of<T>(op.dy);
  T* out = data_of<T>(op.dgate_up);
  T* y = data_of<T>(op.y);
  for_rows<N>(
      lane.stream, op.dy.shape[0], width,
      [=] __device__(std::int64_t r, std::int64_t c, std::int64_t left) {
        const std::int64_t at = r * 2 * width + c;
        float g[N];
        float u[N];
        float d[N];
        float made[N];
        load(in + at, left, wide, g);
        load(in + at + width, left, wide, u);
        load(dy + r * width + c, left, wide, d);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          const float s = logistic(g[i]);
          made[i] = u[i] * (g[i] * s);
          u[i] = d[i] * u[i] * (s + g[i] * s * (1.0F - s));
          d[i] = d[i] * g[i] * s;
        }
        store(out + at, left, wide, u);
        store(out + at + width, left, wide, d);
        if (y != nullptr) store(y + r * width + c, left, wide, made);
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
  a.samples = s.samples;
  a.sequence = s.sequence;
  a.width = s.qkv_width();
  a.heads = static_cast<int>(s.heads + s.kv_heads);
  a.half = static_cast<int>(s.head_size / 2);
  a.slope = -std::log(static_cast<double>(op.theta)) / a.half;
  a.direction = op.inverse ? -1.0F : 1.0F;
  const dim3 grid(blocks_of(s.sequence, 1),
                  blocks_of(s.samples, kTurnedSamples));
  require(grid.y < 65536, "rotary: too many samples for one kernel");
  by_type(op.qkv.dtype, [&](auto zero) {
    using T = decltype(zero);
    const bool wide = is_wide(a.half, op.qkv);
    const auto kernel =
        wide ? rotary_kernel<T, kLanes<T>> : rotary_kernel<T, 1>;
    kernel<<<grid, kThreads, 0, lane.stream>>>(data_of<T>(op.qkv), a);
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
