#include "parallel/operation/ordered_sum.h"

#include <algorithm>
#include <array>

namespace cairn {
namespace {

// The sum of a piece stays in the first-level cache until it is whole.
constexpr std::int64_t kPiece = 1024;

template <typename T>
void sum_piece(const std::vector<const std::byte*>& sources, std::int64_t first,
               std::int64_t count, T* out) {
  std::array<T, kPiece> sum;
  const T* x = reinterpret_cast<const T*>(sources.front()) + first;
  std::copy(x, x + count, sum.begin());
  for (std::size_t k = 1; k < sources.size(); ++k) {
    const T* y = reinterpret_cast<const T*>(sources[k]) + first;
    for (std::int64_t i = 0; i < count; ++i) {
      sum[static_cast<std::size_t>(i)] += y[i];
    }
  }
  std::copy(sum.begin(), sum.begin() + count, out + first);
}

template <typename T>
void sum_all(const std::vector<const std::byte*>& sources,
             std::int64_t elements, std::byte* out) {
  for (std::int64_t first = 0; first < elements; first += kPiece) {
    sum_piece<T>(sources, first, std::min(kPiece, elements - first),
                 reinterpret_cast<T*>(out));
  }
}

}  // namespace

void sum_in_order(DType dtype, const std::vector<const std::byte*>& sources,
                  std::int64_t elements, std::byte* out) {
  if (dtype == DType::kF64) {
    sum_all<double>(sources, elements, out);
  } else {
    sum_all<float>(sources, elements, out);
  }
}

ElementRange range_of(std::int64_t elements, int part, int parts) {
  const std::int64_t each = elements / parts;
  const std::int64_t longer = elements % parts;
  return {part * each + std::min<std::int64_t>(part, longer),
          each + (part < longer ? 1 : 0)};
}

}  // namespace cairn
