#include "runtime/kernels.h"

#include <algorithm>

namespace cairn {
namespace {

std::int64_t up_to_multiple(std::int64_t n, std::int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace

Shape head_logits(std::int64_t tokens, std::int64_t vocab, DType dtype) {
  const bool half = dtype == DType::kBF16;
  const std::int64_t unit = half ? 128 : 32;
  const std::int64_t budget_bytes = std::int64_t{half ? 2048 : 64} << 20;
  const std::int64_t width =
      up_to_multiple(std::max<std::int64_t>(vocab, 1), half ? 8 : 1);
  const std::int64_t fit =
      budget_bytes / width / static_cast<std::int64_t>(size_of(dtype));
  std::int64_t most = std::max(fit / unit, std::int64_t{1}) * unit;
  if (half) {
    // A quarter of the tokens, so that logits do not make the peak, but enough
    // rows for products at full rate.
    most = std::min(most, std::clamp<std::int64_t>(tokens / 4, 2048, 8192));
  }
  // Even chunks: a short last one would run its products at a poor rate.
  const std::int64_t chunks =
      std::max<std::int64_t>((tokens + most - 1) / most, 1);
  const std::int64_t even = (tokens + chunks - 1) / chunks;
  return {std::min(tokens, up_to_multiple(even, unit)), width};
}

}  // namespace cairn
