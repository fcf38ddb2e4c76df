// Element types of tensors.

#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn {

enum class DType : std::uint8_t { kF32, kBF16, kF64, kI32 };

std::size_t size_of(DType dtype);
const char* name_of(DType dtype);

// The DType of a C++ element type: dtype_of<float>() is kF32.
template <typename T>
constexpr DType dtype_of();

template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::kF64;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::kI32;
}

}  // namespace cairn
