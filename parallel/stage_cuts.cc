#include "parallel/stage_cuts.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>

#include "runtime/error.h"

namespace cairn {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Sums of squares that differ by less are equal: they add the same numbers in
// another order.
constexpr double kRounding = 1e-12;

// The costs of all runs of blocks. Each run is summed by itself, so that runs
// of equal blocks cost the same to the bit.
class Runs {
 public:
  explicit Runs(std::span<const double> costs) : blocks_(costs.size()) {
    table_.resize(blocks_ * blocks_);
    for (std::size_t begin = 0; begin < blocks_; ++begin) {
      double sum = 0;
      for (std::size_t last = begin; last < blocks_; ++last) {
        sum += costs[last];
        table_[begin * blocks_ + last] = sum;
      }
    }
  }

  std::size_t blocks() const { return blocks_; }

  // Of the blocks from `begin` up to, without, `end`.
  double cost(std::size_t begin, std::size_t end) const {
    return table_[begin * blocks_ + end - 1];
  }

 private:
  std::size_t blocks_;
  std::vector<double> table_;
};

// For every number of stages and every first block, the least value that the
// rest of the chain can have. `join` makes a value of a stage's cost and the
// rest's value; it must grow with the latter.
template <typename Join>
std::vector<std::vector<double>> least(const Runs& runs, std::size_t stages,
                                       Join join) {
  const std::size_t blocks = runs.blocks();
  std::vector<std::vector<double>> value(
      stages + 1, std::vector<double>(blocks + 1, kNever));
  value[0][blocks] = 0;
  for (std::size_t left = 1; left <= stages; ++left) {
    for (std::size_t begin = 0; begin < blocks; ++begin) {
      for (std::size_t end = begin + 1; end <= blocks; ++end) {
        value[left][begin] =
            std::min(value[left][begin],
                     join(runs.cost(begin, end), value[left - 1][end]));
      }
    }
  }
  return value;
}

void require_costs(std::span<const double> costs, int stages) {
  if (stages < 1 || costs.size() < static_cast<std::size_t>(stages)) {
    throw Error(Code::kBadArgument,
                std::to_string(costs.size()) + " blocks cannot be cut into " +
                    std::to_string(stages) + " stages of at least one block" +
                    (costs.empty() || stages < 1
                         ? ""
                         : "; they make at most " +
                               std::to_string(costs.size()) + " stages"));
  }
  for (std::size_t block = 0; block < costs.size(); ++block) {
    if (std::isfinite(costs[block]) && costs[block] >= 0) continue;
    throw Error(Code::kBadArgument,
                "block " + std::to_string(block) + " costs " +
                    std::to_string(costs[block]) +
                    "; stages are cut by finite costs of at least 0");
  }
}

std::string listed(std::span<const int> counts, const char* between) {
  std::string text;
  for (const int count : counts) {
    text += (text.empty() ? "" : between) + std::to_string(count);
  }
  return text;
}

// Keeps what it can of the first stages.
std::vector<int> nearest_cut(std::span<const int> given, int blocks,
                             int stages) {
  std::vector<int> cut;
  int left = blocks;
  for (int s = 0; s < stages; ++s) {
    const int later = stages - 1 - s;  // stages, which have a block at least
    const auto at = static_cast<std::size_t>(s);
    const int wanted = at < given.size() ? given[at] : 1;
    cut.push_back(later == 0 ? left : std::clamp(wanted, 1, left - later));
    left -= cut.back();
  }
  return cut;
}

}  // namespace

std::vector<int> cut_stages(std::span<const double> block_costs, int stages) {
  require_costs(block_costs, stages);
  const Runs runs(block_costs);
  const auto count = static_cast<std::size_t>(stages);
  const double bound = least(runs, count, [](double stage, double rest) {
    return std::max(stage, rest);
  })[count][0];
  const auto squares = [bound](double stage, double rest) {
    return stage > bound ? kNever : stage * stage + rest;
  };
  const auto value = least(runs, count, squares);

  std::vector<int> cut;
  std::size_t begin = 0;
  for (std::size_t left = count; left > 0; --left) {
    const double enough = value[left][begin] * (1 + kRounding);
    std::size_t end = begin + 1;
    while (squares(runs.cost(begin, end), value[left - 1][end]) > enough) ++end;
    cut.push_back(static_cast<int>(end - begin));
    begin = end;
  }
  return cut;
}

void require_cut(std::span<const int> stage_blocks, int blocks, int stages) {
  const std::int64_t sum = std::accumulate(stage_blocks.begin(),
                                           stage_blocks.end(), std::int64_t{0});
  const bool filled = std::all_of(stage_blocks.begin(), stage_blocks.end(),
                                  [](int count) { return count >= 1; });
  if (filled && sum == blocks &&
      stage_blocks.size() == static_cast<std::size_t>(stages)) {
    return;
  }
  const std::string given = listed(stage_blocks, " + ");
  std::string message = "a cut of " + std::to_string(blocks) + " blocks into " +
                        std::to_string(stages) + " stages was given as " +
                        (given.empty() ? "nothing" : given) + " = " +
                        std::to_string(sum) + " blocks in " +
                        std::to_string(stage_blocks.size()) +
                        " stages; give each stage at least 1 block, " +
                        std::to_string(blocks) + " together";
  if (stages >= 1 && blocks >= stages) {
    message += "; the nearest cut is " +
               listed(nearest_cut(stage_blocks, blocks, stages), ",");
  }
  throw Error(Code::kBadArgument, message);
}

}  // namespace cairn
