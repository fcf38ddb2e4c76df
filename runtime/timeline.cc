#include "runtime/timeline.h"

#include <utility>

#include "runtime/error.h"

namespace cairn {

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::kCompute:
      return "compute";
    case Phase::kRecompute:
      return "recompute";
    case Phase::kCommunication:
      return "communication";
    case Phase::kBubble:
      return "bubble";
    case Phase::kOffload:
      return "offload";
    case Phase::kOptimizer:
      return "optimizer";
    case Phase::kData:
      return "data";
    case Phase::kSnapshot:
      return "snapshot";
    case Phase::kOther:
      return "other";
  }
  return "unknown";
}

Span::~Span() { timeline_.close(stream_, index_); }

std::array<double, kPhases> Timeline::Record::milliseconds() const {
  std::array<double, kPhases> sums{};
  for (const Entry& entry : entries) {
    const double ms = 1e3 * entry.end->seconds_since(*entry.begin);
    sums[static_cast<int>(entry.phase)] += ms;
    if (entry.parent < 0) continue;
    const Phase outer = entries[static_cast<std::size_t>(entry.parent)].phase;
    sums[static_cast<int>(outer)] -= ms;
  }
  return sums;
}

Span Timeline::open(Stream& stream, Phase phase, std::string name) {
  const std::size_t index = record_.entries.size();
  record_.entries.push_back(
      {std::move(name), phase, open_, stream.record(), nullptr});
  open_ = static_cast<int>(index);
  return {*this, stream, index};
}

void Timeline::close(Stream& stream, std::size_t index) {
  record_.entries[index].end = stream.record();
  open_ = record_.entries[index].parent;
}

Timeline::Record Timeline::take() {
  require(open_ < 0, "a timeline is taken when no span is open");
  return std::exchange(record_, {});
}

}  // namespace cairn
