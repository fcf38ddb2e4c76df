// A Timeline says where a step's time went: named spans on streams, each of one
// phase, summed when the step is done.
//
// Spans on one stream may nest; a parent is not charged for its children. A
// disabled timeline records nothing. Threads: one at a time, the streams' own.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/stream.h"

namespace cairn {

enum class Phase : std::uint8_t {
  kCompute,
  kRecompute,
  kOptimizer,
  kData,
  kCommunication,
  kBubble,
  kOffload,
  kSnapshot,
  kOther,
};
inline constexpr int kPhases = 9;

// The phase's key in the metrics: "compute", "recompute", ...
const char* name_of(Phase phase);

class Timeline {
 public:
  // What a trace shows. `parent` is an index among what take() gave, or -1.
  struct Record {
    const Stream* stream = nullptr;
    Phase phase = Phase::kOther;
    std::string name;
    int parent = -1;
    std::shared_ptr<Event> begin;
    std::shared_ptr<Event> end;  // none while the span is open
  };

  // Open until close() or its end. The timeline and the stream outlive it.
  class Span {
   public:
    Span() = default;
    ~Span() { close(); }

    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;
    Span(Span&& other) noexcept { *this = std::move(other); }
    Span& operator=(Span&& other) noexcept {
      std::swap(timeline_, other.timeline_);
      std::swap(stream_, other.stream_);
      std::swap(index_, other.index_);
      return *this;
    }

    void close();

   private:
    friend class Timeline;
    Span(Timeline* timeline, Stream* stream, int index)
        : timeline_(timeline), stream_(stream), index_(index) {}

    Timeline* timeline_ = nullptr;
    Stream* stream_ = nullptr;
    int index_ = 0;
  };

  explicit Timeline(bool enabled = true) : enabled_(enabled) {}

  ~Timeline() = default;

  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  [[nodiscard]] Span open(Stream& stream, Phase phase, std::string_view name);

  // Gives out all spans, in the order they were opened, and forgets them.
  // Throws kBadArgument if one is open.
  std::vector<Record> take();

 private:
  bool enabled_;
  std::vector<Record> spans_;
  std::vector<int> open_;  // indices into spans_, as they were opened
};

// The time of each phase on `stream`, children's excluded, over spans that one
// take() gave and whose events were reached.
std::array<double, kPhases> milliseconds(
    const std::vector<Timeline::Record>& spans, const Stream& stream);

}  // namespace cairn
