// Traces: what ran when, as a file that Perfetto and chrome://tracing open.
//
// One process for each rank, one thread for each of its streams, one span for
// each thing done. Real steps and simulated ones become the same plain spans,
// so their traces can be laid beside each other. Threads: any; nothing is
// shared. Errors: kBadArgument for spans that no timeline could have made and
// for a file that cannot be written.

#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "runtime/timeline.h"

namespace cairn {

// Spans of one stream follow or enclose each other; they never cross.
struct TraceSpan {
  int rank = 0;
  std::string stream;
  std::string name;
  std::string phase;  // the category, by which a viewer can filter
  double begin_ms = 0.0;
  double end_ms = 0.0;

  bool operator==(const TraceSpan&) const = default;
};

// Drawn from one span to another: what the second waited for. Both are indices
// into the spans.
struct TraceArrow {
  std::size_t from = 0;
  std::size_t to = 0;

  bool operator==(const TraceArrow&) const = default;
};

// What a timeline gave out, in its order, with times since `origin`. Every
// event was reached, and the streams live.
std::vector<TraceSpan> trace_spans(int rank,
                                   std::span<const Timeline::Record> records,
                                   const Event& origin);

// From each send of a schedule to its receive, found by the names that their
// actions give them ("so0.3" and "ri1.3", "sg1.3" and "rg0.3", "ss" and "rs").
// Ranks that are equal modulo `data_ranks` send to each other. Where a name
// recurs, as it does from step to step, the first send meets the first receive.
std::vector<TraceArrow> transfer_arrows(std::span<const TraceSpan> spans,
                                        int data_ranks);

// The trace's text. Times are rounded to nanoseconds, which keeps their order;
// if there are any before 0, the trace is moved so that the first is 0. Streams
// are shown in the order in which the spans first name them.
std::string trace_json(std::span<const TraceSpan> spans,
                       std::span<const TraceArrow> arrows = {});

// Writes trace_json to `file`, which is replaced in one piece or not at all.
void write_trace(const std::filesystem::path& file,
                 std::span<const TraceSpan> spans,
                 std::span<const TraceArrow> arrows = {});

}  // namespace cairn
