#include "sharding/unit_layout.h"

#include <algorithm>

#include "runtime/error.h"

namespace cairn {
namespace {

std::int64_t rounded_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

bool declared_before(const Model& model, int block, int parameter) {
  for (int b = 0; b < block; ++b) {
    const std::vector<int>& known = model.parameters_of(b);
    if (std::find(known.begin(), known.end(), parameter) != known.end()) {
      return true;
    }
  }
  return false;
}

}  // namespace

Range overlap(const Range& a, const Range& b) {
  const std::int64_t first = std::max(a.first, b.first);
  return {first, std::max(first, std::min(a.end, b.end))};
}

UnitLayout::UnitLayout(const Model& model, int block) {
  std::int64_t elements = 0;
  for (const int parameter : model.parameters_of(block)) {
    if (find(parameter) != nullptr) continue;
    if (declared_before(model, block, parameter)) continue;
    const ParameterSpec& spec = model.layout().entries()[parameter].spec;
    entries_.push_back({parameter, elements, spec.shape, spec.decays()});
    elements += rounded_up(spec.shape.elements(), kParameterAlignment);
  }
  if (elements == 0) return;
  piece_ = rounded_up((elements + kMostPieces - 1) / kMostPieces,
                      kParameterAlignment);
  pieces_ = (elements + piece_ - 1) / piece_;
}

const UnitLayout::Entry* UnitLayout::find(int parameter) const {
  for (const Entry& entry : entries_) {
    if (entry.parameter == parameter) return &entry;
  }
  return nullptr;
}

std::int64_t UnitLayout::shard(int ranks) const {
  require(ranks >= 1, "a unit is shared by at least one rank");
  return (pieces_ + ranks - 1) / ranks * piece_;
}

Range UnitLayout::shard_range(int ranks, int rank) const {
  const std::int64_t size = shard(ranks);
  return {rank * size, (rank + 1) * size};
}

Range UnitLayout::pieces_in(const Range& range) const {
  if (empty()) return {};
  return overlap({range.first / piece_, range.end / piece_}, {0, pieces_});
}

}  // namespace cairn
