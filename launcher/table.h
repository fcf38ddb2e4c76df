// Small text tables: the first column to the left, the others to the right.

#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace cairn {

class Table {
 public:
  explicit Table(std::vector<std::string> head);

  // As many cells as the head has.
  void add(std::vector<std::string> cells);

  // A rule across the table, as above a sum.
  void rule();

  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // an empty row is a rule
};

// Amounts of memory by name, human and exact, with their sum below.
Table byte_table(
    const std::string& title,
    const std::vector<std::pair<std::string, std::int64_t>>& amounts);

}  // namespace cairn
