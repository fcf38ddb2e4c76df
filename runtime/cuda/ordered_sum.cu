// The sum of what ranks bring, in their order.

#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda_place.h"
#include "runtime/error.h"

namespace cairn {
namespace {

template <typename T>
void sum(cudaStream_t stream, const TensorView& all, int own,
         const TensorView& mine, const TensorView& to) {
  const T* parts = data_of<T>(all);
  const T* x = data_of<T>(mine);
  T* out = data_of<T>(to);
  const std::int64_t count = to.elements();
  const auto members = static_cast<int>(all.elements() / count);
  for_each<1>(stream, count, [=] __device__(std::int64_t at, std::int64_t) {
    T total = own == 0 ? x[at] : parts[at];
    for (int k = 1; k < members; ++k) {
      total += k == own ? x[at] : parts[k * count + at];
    }
    out[at] = total;
  });
  check_launch("the sum of what ranks bring");
}

}  // namespace

void cuda_sum_in_order(Stream& stream, const TensorView& all, int own,
                       const TensorView& mine, const TensorView& to) {
  if (to.elements() == 0) return;
  require(
      all.elements() % to.elements() == 0 && mine.elements() == to.elements(),
      "a sum has as many elements as each of its parts");
  if (to.dtype == DType::kF64) {
    return sum<double>(cuda_native(stream), all, own, mine, to);
  }
  sum<float>(cuda_native(stream), all, own, mine, to);
}

}  // namespace cairn
