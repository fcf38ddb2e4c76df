// Fill, cast, add, and the search for what is not finite.

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

template <typename T>
void fill(const Lane& lane, const TensorView& x, float value) {
  constexpr int N = kLanes<T>;
  const bool wide = is_aligned(x);
  const T each = static_cast<T>(value);
  T* to = data_of<T>(x);
  for_each<N>(lane.stream, x.elements(),
              [=] __device__(std::int64_t at, std::int64_t left) {
                alignas(16) T values[N];
#pragma unroll
                for (int i = 0; i < N; ++i) values[i] = each;
                if (wide && left >= N) {
                  *reinterpret_cast<uint4*>(to + at) =
                      *reinterpret_cast<const uint4*>(values);
                  return;
                }
                for (int i = 0; i < N && i < left; ++i) to[at + i] = each;
              });
  check_launch("fill");
}

// Between the types of activations, by lanes.
template <typename From, typename To>
void cast(const Lane& lane, const TensorView& x, const TensorView& y) {
  constexpr int N = 8;
  const bool wide = is_wide(0, x, y);
  const From* from = data_of<From>(x);
  To* to = data_of<To>(y);
  for_each<N>(lane.stream, x.elements(),
              [=] __device__(std::int64_t at, std::int64_t left) {
                float v[N];
                load(from + at, left, wide, v);
                store(to + at, left, wide, v);
              });
}

// Between any types, one by one.
template <typename From, typename To>
void convert(const Lane& lane, const TensorView& x, const TensorView& y) {
  const From* from = data_of<From>(x);
  To* to = data_of<To>(y);
  for_each<1>(
      lane.stream, x.elements(), [=] __device__(std::int64_t at, std::int64_t) {
        to[at] = static_cast<To>(static_cast<double>(
            static_cast<
                std::conditional_t<std::is_same_v<From, Bf16>, float, From>>(
                from[at])));
      });
}

template <typename From>
void convert_to(const Lane& lane, const TensorView& x, const TensorView& y) {
  switch (y.dtype) {
    case DType::kF32:
      return convert<From, float>(lane, x, y);
    case DType::kF64:
      return convert<From, double>(lane, x, y);
    case DType::kI32:
      return convert<From, std::int32_t>(lane, x, y);
    case DType::kBF16:
      return convert<From, Bf16>(lane, x, y);
  }
}

template <typename T>
void add(const Lane& lane, const TensorView& x, const TensorView& y) {
  constexpr int N = kLanes<T>;
  const bool wide = is_wide(0, x, y);
  const T* from = data_of<T>(x);
  T* to = data_of<T>(y);
  for_each<N>(lane.stream, x.elements(),
              [=] __device__(std::int64_t at, std::int64_t left) {
                float a[N];
                float b[N];
                load(from + at, left, wide, a);
                load(to + at, left, wide, b);
#pragma unroll
                for (int i = 0; i < N; ++i) b[i] += a[i];
                store(to + at, left, wide, b);
              });
  check_launch("add");
}

template <typename T>
void find_bad(const Lane& lane, const TensorView& x, float* finite) {
  constexpr int N = kLanes<T>;
  const bool wide = is_aligned(x);
  const T* from = data_of<T>(x);
  for_each<N>(lane.stream, x.elements(),
              [=] __device__(std::int64_t at, std::int64_t left) {
                float v[N];
                load(from + at, left, wide, v);
                bool all = true;
                for (int i = 0; i < N; ++i) all = all && isfinite(v[i]);
                if (!all) *finite = 0.0F;  // by whoever finds one
              });
  check_launch("all_finite");
}

bool is_real(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBF16;
}

}  // namespace

void run_fill(const Lane& lane, const TensorView& x, float value) {
  switch (x.dtype) {
    case DType::kF32:
      return fill<float>(lane, x, value);
    case DType::kF64:
      return fill<double>(lane, x, value);
    case DType::kI32:
      return fill<std::int32_t>(lane, x, value);
    case DType::kBF16:
      return fill<Bf16>(lane, x, value);
  }
}

void run_cast(const Lane& lane, const TensorView& x, const TensorView& y) {
  if (x.dtype == y.dtype) {
    check(cudaMemcpyAsync(y.data, x.data, x.bytes(), cudaMemcpyDeviceToDevice,
                          lane.stream),
          "cast");
  } else if (is_real(x.dtype) && is_real(y.dtype)) {
    x.dtype == DType::kF32 ? cast<float, Bf16>(lane, x, y)
                           : cast<Bf16, float>(lane, x, y);
  } else if (x.dtype == DType::kF32) {
    convert_to<float>(lane, x, y);
  } else if (x.dtype == DType::kF64) {
    convert_to<double>(lane, x, y);
  } else if (x.dtype == DType::kI32) {
    convert_to<std::int32_t>(lane, x, y);
  } else {
    convert_to<Bf16>(lane, x, y);
  }
  check_launch("cast");
}

void run_add(const Lane& lane, const TensorView& x, const TensorView& y) {
  by_type(x.dtype, [&](auto zero) { add<decltype(zero)>(lane, x, y); });
}

void run_all_finite(const Lane& lane, const TensorView& x,
                    const TensorView& finite) {
  run_fill(lane, finite, 1.0F);
  by_type(x.dtype, [&](auto zero) {
    find_bad<decltype(zero)>(lane, x, finite.as<float>());
  });
}

}  // namespace cairn
