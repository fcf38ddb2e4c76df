#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda_place.h"

namespace cairn {

CudaPlace cuda_place(Stream& stream) { return cuda_stream(stream).place(); }

}  // namespace cairn
