// The word a user may have meant: spelling hints for keys and options.

#pragma once

#include <span>
#include <string_view>

namespace cairn {

// Insertions, deletions and substitutions that turn `a` into `b`.
int edit_distance(std::string_view a, std::string_view b);

// The candidate with the smallest distance, the earlier one of equals. Empty
// if there are no candidates.
std::string_view nearest(std::string_view word,
                         std::span<const std::string_view> candidates);

}  // namespace cairn
