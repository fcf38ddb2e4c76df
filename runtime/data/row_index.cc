#include "runtime/data/row_index.h"

#include <string>

#include "runtime/error.h"

namespace cairn {

RowIndex::RowIndex(std::int64_t vocab)
    : row_of_(static_cast<std::size_t>(vocab), -1) {}

void RowIndex::clear() {
  for (const std::int32_t token : tokens_) {
    row_of_[static_cast<std::size_t>(token)] = -1;
  }
  tokens_.clear();
}

void RowIndex::add(std::span<const std::int32_t> tokens,
                   std::span<std::int32_t> rows) {
  require(tokens.size() == rows.size(), "every token gets a row");
  const auto vocab = static_cast<std::int32_t>(row_of_.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::int32_t token = tokens[i];
    if (token < 0 || token >= vocab) {
      throw Error(Code::kBadArgument, "token " + std::to_string(token) +
                                          " at position " + std::to_string(i) +
                                          " of a step is not in a vocabulary "
                                          "of " +
                                          std::to_string(vocab));
    }
    std::int32_t& row = row_of_[static_cast<std::size_t>(token)];
    if (row < 0) {
      row = static_cast<std::int32_t>(tokens_.size());
      tokens_.push_back(token);
    }
    rows[i] = row;
  }
}

}  // namespace cairn
