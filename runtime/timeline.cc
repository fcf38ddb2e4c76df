#include "runtime/timeline.h"

#include <algorithm>

#include "runtime/error.h"

namespace cairn {

const char* name_of(Phase phase) {
  static constexpr std::array<const char*, kPhases> kNames = {
      "compute", "recompute", "optimizer", "data", "communication",
      "bubble",  "offload",   "snapshot",  "other"};
  return kNames[static_cast<std::size_t>(phase)];
}

Timeline::Span Timeline::open(Stream& stream, Phase phase,
                              std::string_view name) {
  if (!enabled_) return {};
  int parent = -1;
  for (const int candidate : open_) {
    if (spans_[static_cast<std::size_t>(candidate)].stream == &stream) {
      parent = candidate;
    }
  }
  const int index = static_cast<int>(spans_.size());
  spans_.push_back(
      {&stream, phase, std::string(name), parent, stream.record(), nullptr});
  open_.push_back(index);
  return {this, &stream, index};
}

void Timeline::Span::close() {
  if (timeline_ == nullptr) return;
  Timeline& timeline = *std::exchange(timeline_, nullptr);
  timeline.spans_[static_cast<std::size_t>(index_)].end = stream_->record();
  std::erase(timeline.open_, index_);
}

std::array<double, kPhases> Timeline::milliseconds() const {
  std::array<double, kPhases> sums{};
  for (const Record& span : spans_) {
    if (span.end == nullptr) continue;
    const double ms = 1e3 * span.end->seconds_since(*span.begin);
    sums[static_cast<std::size_t>(span.phase)] += ms;
    if (span.parent < 0) continue;
    const Record& parent = spans_[static_cast<std::size_t>(span.parent)];
    if (parent.end == nullptr) continue;
    sums[static_cast<std::size_t>(parent.phase)] -= ms;
  }
  return sums;
}

void Timeline::clear() {
  require(open_.empty(), "a timeline is cleared when all its spans are closed");
  spans_.clear();
}

}  // namespace cairn
