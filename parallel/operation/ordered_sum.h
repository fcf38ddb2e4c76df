// The one sum that every body shares: ((x0 + x1) + x2) + ..., element by
// element, in the elements' own type.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/dtype.h"

namespace cairn {

// `elements` of each source into `out`, which may be one of the sources. There
// is at least one; f32 or f64.
void sum_in_order(DType dtype, const std::vector<const std::byte*>& sources,
                  std::int64_t elements, std::byte* out);

// Elements [first, first + count) of a tensor.
struct ElementRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// The `part`-th of `parts` ranges of nearly equal length that make up
// `elements`; no range is longer than an earlier one.
ElementRange range_of(std::int64_t elements, int part, int parts);

}  // namespace cairn
