#include "launcher/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace cairn {

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    int diagonal = std::exchange(row[0], static_cast<int>(i) + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const int replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row[b.size()];
}

std::string_view nearest(std::string_view word,
                         std::span<const std::string_view> candidates) {
  // What is absurdly long is no typing mistake, and would cost its square.
  word = word.substr(0, 64);
  std::string_view best;
  int least = -1;
  for (const std::string_view candidate : candidates) {
    const int distance = edit_distance(word, candidate);
    if (least >= 0 && distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
}

}  // namespace cairn
