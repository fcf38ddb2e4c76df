#include "runtime/shape.h"

#include "runtime/error.h"

namespace cairn {

Shape::Shape(std::initializer_list<std::int64_t> extents) {
  require(extents.size() <= kMaxDims, "a shape has at most four dims");
  for (const std::int64_t extent : extents) {
    require(extent >= 0, "a shape's extents are not negative");
    extents_[dims_++] = extent;
  }
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (int d = 0; d < dims_; ++d) product *= extents_[d];
  return product;
}

std::string to_text(const Shape& shape) {
  std::string text = "[";
  for (int d = 0; d < shape.dims(); ++d) {
    if (d > 0) text += ", ";
    text += std::to_string(shape[d]);
  }
  return text + "]";
}

}  // namespace cairn
