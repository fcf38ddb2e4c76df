#include "runtime/kernels.h"

#include <algorithm>

namespace cairn {

std::int64_t head_chunk_rows(std::int64_t tokens, std::int64_t vocab) {
  constexpr std::int64_t kUnit = 32;
  constexpr std::int64_t kLogits = (std::int64_t{64} << 20) / 4;
  const std::int64_t wide = std::max<std::int64_t>(vocab, 1);
  const std::int64_t most = std::max(kLogits / wide / kUnit * kUnit, kUnit);
  // Even chunks: a short last one would run its products at a poor rate.
  const std::int64_t chunks =
      std::max<std::int64_t>((tokens + most - 1) / most, 1);
  const std::int64_t even = (tokens + chunks - 1) / chunks;
  return std::min(tokens, (even + kUnit - 1) / kUnit * kUnit);
}

}  // namespace cairn
