// Numbers the distinct tokens of a step in order of first appearance, so that
// the gradient of an embedding table can be kept for those rows alone.
//
// Time and memory are those of the tokens added, after one table of `vocab`
// numbers; nothing is allocated once the vectors have grown.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cairn {

class RowIndex {
 public:
  explicit RowIndex(std::int64_t vocab);

  // Forgets every token.
  void clear();

  // Sets rows[i] to the number of tokens[i]. Throws kBadArgument, naming token
  // and vocabulary, for one that the vocabulary does not have.
  void add(std::span<const std::int32_t> tokens, std::span<std::int32_t> rows);

  // The distinct tokens since clear, by number.
  std::span<const std::int32_t> tokens() const { return tokens_; }

 private:
  std::vector<std::int32_t> row_of_;  // by token; -1 for none
  std::vector<std::int32_t> tokens_;
};

}  // namespace cairn
