// A Shape is the extent of each dim of a tensor, outermost first. A plain value
// of at most four dims; it never allocates.

#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace cairn {

class Shape {
 public:
  static constexpr int kMaxDims = 4;

  Shape() = default;
  // Throws kBadArgument on more than four dims or a negative extent.
  Shape(std::initializer_list<std::int64_t> extents);

  int dims() const { return dims_; }
  std::int64_t operator[](int dim) const { return extents_[dim]; }
  // Product of all extents; 1 for no dims.
  std::int64_t elements() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxDims> extents_{};
  int dims_ = 0;
};

// "[4, 256, 768]".
std::string to_text(const Shape& shape);

}  // namespace cairn
