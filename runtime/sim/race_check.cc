#include "runtime/sim/race_check.h"

#include <algorithm>

namespace cairn {
namespace {

// Whether the access of `who` comes after the one of `earlier`.
bool ordered(const Toucher& earlier, const Toucher& who, const Clock& clock) {
  return earlier.moment.stream == who.moment.stream ||
         clock.knows(earlier.moment);
}

}  // namespace

std::optional<RaceCheck::Conflict> RaceCheck::touch(
    const ByteRange& range, Touch touch, const Toucher& who, const Clock& clock,
    std::optional<Owner> owner) {
  if (range.bytes == 0) return std::nullopt;
  const std::uint64_t end = range.begin + range.bytes;
  split(range.begin);
  split(end);
  const auto first = cells_.lower_bound(range.begin);
  const auto last = cells_.lower_bound(end);
  for (auto it = first; it != last; ++it) {
    const Cell& cell = it->second;
    if (const auto found = conflict(cell, touch, who, clock)) {
      const ByteRange met{it->first, cell.end - it->first};
      return Conflict{found->who, found->touch, met, cell.owner};
    }
    if (!owner) owner = cell.owner;
  }
  if (touch == Touch::kRead) {
    add_reader(range.begin, end, who, clock);
  } else {
    cells_.erase(first, last);
    cells_[range.begin] = {end, Past{who, touch}, owner, {}};
  }
  return std::nullopt;
}

std::optional<RaceCheck::Past> RaceCheck::conflict(const Cell& cell,
                                                   Touch touch,
                                                   const Toucher& who,
                                                   const Clock& clock) {
  if (cell.written) {
    const bool gone =
        cell.written->touch == Touch::kFree && touch != Touch::kAllocate;
    if (gone || !ordered(cell.written->who, who, clock)) return cell.written;
  }
  if (touch == Touch::kRead) return std::nullopt;
  for (const Toucher& reader : cell.readers) {
    if (!ordered(reader, who, clock)) return Past{reader, Touch::kRead};
  }
  return std::nullopt;
}

void RaceCheck::add_reader(std::uint64_t begin, std::uint64_t end,
                           const Toucher& who, const Clock& clock) {
  fill_gaps(begin, end);
  for (auto it = cells_.lower_bound(begin);
       it != cells_.end() && it->first < end; ++it) {
    std::vector<Toucher>& readers = it->second.readers;
    // A write that comes after this read comes after those.
    std::erase_if(readers, [&](const Toucher& reader) {
      return ordered(reader, who, clock);
    });
    readers.push_back(who);
  }
}

void RaceCheck::split(std::uint64_t at) {
  auto it = cells_.lower_bound(at);
  if (it == cells_.begin()) return;
  --it;
  if (it->second.end <= at) return;
  Cell right = it->second;
  it->second.end = at;
  cells_.emplace(at, std::move(right));
}

// Cells for what of [begin, end) has none.
void RaceCheck::fill_gaps(std::uint64_t begin, std::uint64_t end) {
  auto it = cells_.lower_bound(begin);
  while (begin < end) {
    const std::uint64_t next =
        it == cells_.end() ? end : std::min(it->first, end);
    if (begin < next) cells_[begin].end = next;
    if (it == cells_.end() || it->first >= end) return;
    begin = it->second.end;
    ++it;
  }
}

}  // namespace cairn
