// Where the time of a step goes: named spans on streams, by phase. Spans nest
// (a recompute inside a backward), and a span's own time excludes its children,
// so that phases add up.
//
// Opening and closing a span only records two events; times are read when the
// step is done.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/stream.h"

namespace cairn {

enum class Phase : std::uint8_t {
  kCompute,
  kRecompute,
  kCommunication,
  kBubble,
  kOffload,
  kOptimizer,
  kData,
  kSnapshot,
  kOther,
};
inline constexpr int kPhases = 9;

// The key of the phase in metrics.
const char* name_of(Phase phase);

class Timeline;

// An open span; closes when it goes.
class [[nodiscard]] Span {
 public:
  Span(Timeline& timeline, Stream& stream, std::size_t index)
      : timeline_(timeline), stream_(stream), index_(index) {}
  ~Span();

  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  Timeline& timeline_;
  Stream& stream_;
  std::size_t index_;
};

class Timeline {
 public:
  struct Entry {
    std::string name;
    Phase phase = Phase::kOther;
    int parent = -1;  // among the record's entries
    std::shared_ptr<Event> begin;
    std::shared_ptr<Event> end;
  };
  // The spans of one step, in the order in which they were opened.
  struct Record {
    std::vector<Entry> entries;

    // By phase, without the time of children. All spans must have ended.
    std::array<double, kPhases> milliseconds() const;
  };

  Span open(Stream& stream, Phase phase, std::string name);

  // The spans since the last take. None may be open.
  Record take();

 private:
  friend class Span;
  void close(Stream& stream, std::size_t index);

  Record record_;
  int open_ = -1;  // the innermost open span
};

}  // namespace cairn
