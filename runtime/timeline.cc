#include "runtime/timeline.h"

#include <algorithm>

#include "runtime/cuda/profiler_ranges.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// Whether NVIDIA's profilers can show what is enqueued there.
bool is_profiled(const Stream& stream) {
  return stream.device().kind == Device::Kind::kCuda;
}

}  // namespace

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
      {&stream, phase, std::string(name), parent, nullptr, nullptr});
  if (is_profiled(stream)) {
    begin_profiler_range(phase, spans_.back().name.c_str());
  }
  spans_.back().begin = stream.record();
  open_.push_back(index);
  return {this, &stream, index};
}

void Timeline::Span::close() {
  if (timeline_ == nullptr) return;
  Timeline& timeline = *std::exchange(timeline_, nullptr);
  timeline.spans_[static_cast<std::size_t>(index_)].end = stream_->record();
  if (is_profiled(*stream_)) end_profiler_range();
  std::erase(timeline.open_, index_);
}

std::vector<Timeline::Record> Timeline::take() {
  require(open_.empty(), "a timeline is taken when all its spans are closed");
  return std::exchange(spans_, {});
}

std::array<double, kPhases> milliseconds(
    const std::vector<Timeline::Record>& spans, const Stream& stream) {
  std::array<double, kPhases> sums{};
  for (const Timeline::Record& span : spans) {
    if (span.stream != &stream) continue;
    const double ms = 1e3 * span.end->seconds_since(*span.begin);
    sums[static_cast<std::size_t>(span.phase)] += ms;
    if (span.parent < 0) continue;
    const Phase outer = spans[static_cast<std::size_t>(span.parent)].phase;
    sums[static_cast<std::size_t>(outer)] -= ms;
  }
  return sums;
}

}  // namespace cairn
