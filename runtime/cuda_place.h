// What a library that enqueues work on a CUDA device by itself has to know of
// the runtime's streams. No header of CUDA is seen through this one.
//
// Threads: as Stream.

#pragma once

#include <exception>
#include <functional>

#include "runtime/stream.h"
#include "runtime/tensor.h"

namespace cairn {

// The end of a stream, where the library is to enqueue next.
struct CudaPlace {
  void* stream = nullptr;  // cudaStream_t

  // Fails the stream from this place on. Any thread may call it, at any time.
  std::function<void(std::exception_ptr)> fail;
};

// Throws kBadArgument for a stream that is not CUDA's.
CudaPlace cuda_place(Stream& stream);

// Enqueues to = ((x0 + x1) + x2) + ..., element by element: x[own] is `mine`,
// which may be `to`; the others are where they would lie if `all` held the x
// one after the other. f32 and f64.
void cuda_sum_in_order(Stream& stream, const TensorView& all, int own,
                       const TensorView& mine, const TensorView& to);

}  // namespace cairn
