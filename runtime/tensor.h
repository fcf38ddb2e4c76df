// Tensor is a cheap shared handle to a shaped piece of a buffer; TensorView is
// the borrowed form that kernels take and that owns nothing.
//
// Both are dense and row-major. A Tensor's bytes are freed, on the stream they
// were allocated on, when the last handle to them goes.

#pragma once

#include <cstddef>
#include <memory>

#include "runtime/dtype.h"
#include "runtime/memory.h"
#include "runtime/shape.h"

namespace cairn {

struct TensorView {
  std::byte* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  explicit operator bool() const { return data != nullptr; }
  std::int64_t elements() const { return shape.elements(); }
  std::size_t bytes() const {
    return static_cast<std::size_t>(elements()) * size_of(dtype);
  }

  // The elements as T, which must be the view's element type.
  template <typename T>
  T* as() const {
    check_is(dtype_of<T>());
    return reinterpret_cast<T*>(data);
  }

  // `shape.elements()` elements from element `first` on, under a new shape.
  TensorView part(std::int64_t first, const Shape& new_shape) const;

 private:
  void check_is(DType wanted) const;
};

class Tensor {
 public:
  Tensor() = default;
  // `at`, if given, is where such a tensor lay before; see allocate_at.
  Tensor(MemoryResource& memory, Stream& stream, Owner owner, DType dtype,
         const Shape& shape, std::byte* at = nullptr);
  // A tensor over bytes that somebody else owns and that outlive it.
  static Tensor borrowed(const TensorView& view);

  explicit operator bool() const { return view_.data != nullptr; }
  const TensorView& view() const { return view_; }
  // NOLINTNEXTLINE(google-explicit-constructor): a tensor is a view to kernels
  operator const TensorView&() const { return view_; }
  const Shape& shape() const { return view_.shape; }
  DType dtype() const { return view_.dtype; }
  std::size_t bytes() const { return view_.bytes(); }

  // True when no other handle shares the bytes, so that they may be overwritten
  // by who holds this one. False for borrowed tensors.
  bool sole_owner() const { return buffer_.use_count() == 1; }

 private:
  std::shared_ptr<Buffer> buffer_;
  TensorView view_;
};

}  // namespace cairn
