#include "launcher/table.h"

#include <algorithm>
#include <cstddef>

#include "launcher/byte_size.h"
#include "runtime/error.h"

namespace cairn {

Table::Table(std::vector<std::string> head) : rows_{std::move(head)} { rule(); }

void Table::add(std::vector<std::string> cells) {
  require(cells.size() == rows_.front().size(),
          "a table row has as many cells as the head");
  rows_.push_back(std::move(cells));
}

void Table::rule() { rows_.emplace_back(); }

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths(rows_.front().size());
  std::size_t total = 2 * (widths.size() - 1);
  for (std::size_t column = 0; column < widths.size(); ++column) {
    for (const auto& row : rows_) {
      if (row.empty()) continue;
      widths[column] = std::max(widths[column], row[column].size());
    }
    total += widths[column];
  }
  for (const auto& row : rows_) {
    if (row.empty()) out << std::string(total, '-');
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string gap(widths[column] - row[column].size(), ' ');
      if (column == 0) {
        out << row[column] << (row.size() > 1 ? gap : "");
      } else {
        out << "  " << gap << row[column];
      }
    }
    out << '\n';
  }
}

Table byte_table(
    const std::string& title,
    const std::vector<std::pair<std::string, std::int64_t>>& amounts) {
  Table table({title, "size", "bytes"});
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : amounts) {
    table.add({name, human_bytes(bytes), std::to_string(bytes)});
    sum += bytes;
  }
  table.rule();
  table.add({"total", human_bytes(sum), std::to_string(sum)});
  return table;
}

}  // namespace cairn
