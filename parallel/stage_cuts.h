// Cuts a model's chain of blocks into stages of consecutive blocks. The
// embedding and the head are blocks and count. Pure functions.

#pragma once

#include <span>
#include <vector>

namespace cairn {

// Blocks of each stage, at least one, such that the costliest stage costs as
// little as can be. Of such cuts, the one whose stages are most alike (least
// sum of squared costs), then the one with fewer blocks in early stages, which
// hold more micro-batches. Throws kBadArgument for fewer blocks than stages.
std::vector<int> cut_stages(std::span<const double> block_costs, int stages);

// For a cut that a user wrote: one number for each of `stages`, each at least
// 1, that add up to `blocks`. Throws kBadArgument, with all numbers and the
// nearest cut, otherwise.
void require_cut(std::span<const int> stage_blocks, int blocks, int stages);

}  // namespace cairn
