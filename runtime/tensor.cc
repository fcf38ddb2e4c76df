#include "runtime/tensor.h"

#include <string>

#include "runtime/error.h"

namespace cairn {

void TensorView::check_is(DType wanted) const {
  if (dtype == wanted) return;
  throw Error(Code::kBadArgument, "a tensor " + to_text(shape) + " of " +
                                      name_of(dtype) + " was read as " +
                                      name_of(wanted));
}

TensorView TensorView::part(std::int64_t first, const Shape& new_shape) const {
  const std::int64_t end = first + new_shape.elements();
  if (first < 0 || end > elements()) {
    throw Error(Code::kBadArgument,
                "elements " + std::to_string(first) + " to " +
                    std::to_string(end) + " were taken of a tensor " +
                    to_text(shape) + " of " + std::to_string(elements()));
  }
  const auto offset = static_cast<std::size_t>(first) * size_of(dtype);
  return {data + offset, dtype, new_shape};
}

Tensor::Tensor(MemoryResource& memory, Stream& stream, Owner owner, DType dtype,
               const Shape& shape, std::byte* at) {
  const std::size_t bytes =
      static_cast<std::size_t>(shape.elements()) * size_of(dtype);
  buffer_ = std::make_shared<Buffer>(memory, bytes, owner, stream, at);
  view_ = {buffer_->data(), dtype, shape};
}

Tensor Tensor::borrowed(const TensorView& view) {
  Tensor tensor;
  tensor.view_ = view;
  return tensor;
}

}  // namespace cairn
