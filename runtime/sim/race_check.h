// A RaceCheck watches the memory of one rank: every access to a range must be
// ordered after each earlier access that it conflicts with, by what its stream
// knows, and a range that was given back is not touched until it is given out
// again.
//
// Kept as the ranges that have one history each: the last write and the reads
// since, of which those known to a later read are forgotten.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "runtime/memory.h"
#include "runtime/operands.h"
#include "runtime/sim/clock.h"

namespace cairn {

struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;
};

// Who touches: operation number `moment.count` of a stream.
struct Toucher {
  Moment moment;
  int name = 0;  // of the operation, in the machine's list of names
};

enum class Touch : std::uint8_t {
  kRead,
  kWrite,
  kAllocate,  // counts as a write
  kFree,      // counts as a write
};

class RaceCheck {
 public:
  struct Conflict {
    Toucher earlier;
    Touch earlier_touch = Touch::kRead;
    ByteRange range;  // where the two meet
    std::optional<Owner> owner;
  };

  // What the access conflicts with, if it does; else it goes on record.
  // `owner` is given with kAllocate.
  std::optional<Conflict> touch(const ByteRange& range, Touch touch,
                                const Toucher& who, const Clock& clock,
                                std::optional<Owner> owner = std::nullopt);

 private:
  struct Past {
    Toucher who;
    Touch touch = Touch::kWrite;
  };
  struct Cell {
    std::uint64_t end = 0;
    std::optional<Past> written;
    std::optional<Owner> owner;
    std::vector<Toucher> readers;
  };
  using Cells = std::map<std::uint64_t, Cell>;  // by begin, apart

  static std::optional<Past> conflict(const Cell& cell, Touch touch,
                                      const Toucher& who, const Clock& clock);
  void add_reader(std::uint64_t begin, std::uint64_t end, const Toucher& who,
                  const Clock& clock);
  // Makes `at` the border of two cells, if it is within one.
  void split(std::uint64_t at);
  void fill_gaps(std::uint64_t begin, std::uint64_t end);

  Cells cells_;
};

}  // namespace cairn
