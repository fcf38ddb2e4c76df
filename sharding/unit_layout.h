// A unit is what is sharded, gathered and reduced as one: the parameters that
// one block owns, in one flat buffer of f32. (A parameter that several blocks
// declare is owned by the first of them.)
//
// A unit is counted in pieces, all of the same size, which depends on the unit
// alone. Shards are runs of whole pieces, and norms are summed piece by piece,
// so that no sum depends on how many ranks share the unit. Where the pieces do
// not divide among the ranks, the last shards hold zeros: nothing has to
// divide.
//
// Plain values; no memory and no device.

#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model.h"

namespace cairn {

// A run of elements of a unit's flat buffer.
struct Range {
  std::int64_t first = 0;
  std::int64_t end = 0;

  std::int64_t size() const { return end > first ? end - first : 0; }
  friend bool operator==(const Range&, const Range&) = default;
};

Range overlap(const Range& a, const Range& b);

class UnitLayout {
 public:
  struct Entry {
    int parameter = 0;  // in the model's layout
    std::int64_t offset = 0;
    Shape shape;
    bool decays = false;

    Range range() const { return {offset, offset + shape.elements()}; }
  };

  // Of the parameters that block `block` owns; possibly of none.
  UnitLayout(const Model& model, int block);

  const std::vector<Entry>& entries() const { return entries_; }
  // The entry of that parameter, or null if another unit has it.
  const Entry* find(int parameter) const;

  bool empty() const { return entries_.empty(); }
  std::int64_t piece() const { return piece_; }    // elements
  std::int64_t pieces() const { return pieces_; }  // that hold parameters

  // Over `ranks` ranks: what each holds, what all hold together, and the range
  // of one. padded(1) is the smallest whole number of pieces.
  std::int64_t shard(int ranks) const;
  std::int64_t padded(int ranks) const { return shard(ranks) * ranks; }
  Range shard_range(int ranks, int rank) const;

  // The pieces that hold parameters and lie in `range`, which is whole pieces.
  Range pieces_in(const Range& range) const;

 private:
  std::vector<Entry> entries_;
  std::int64_t piece_ = 0;
  std::int64_t pieces_ = 0;
};

// The most pieces that a unit is cut into. Rounding up to whole pieces then
// adds less than ranks / kMostPieces to a large unit.
inline constexpr std::int64_t kMostPieces = 4096;

}  // namespace cairn
