#include "launcher/trace.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Viewers count in whole nanoseconds and drop spans that cross. Rounding the
// two ends, and not a begin and a duration, keeps nested spans nested.
struct Interval {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

// A row of the trace. Numbered over all ranks, from 1: viewers take thread 0
// for the idle one.
struct Track {
  int rank = 0;
  int number = 0;
  std::string stream;
  std::vector<std::size_t> spans;  // a span after the one that encloses it
};

std::string described(const TraceSpan& span) {
  return "span \"" + span.name + "\" on stream " + span.stream + " of rank " +
         std::to_string(span.rank) + ", from " + std::to_string(span.begin_ms) +
         " ms to " + std::to_string(span.end_ms) + " ms";
}

void check_times(const TraceSpan& span) {
  constexpr double kLongest = 1e12;  // ms; in nanoseconds still far from 2^63
  if (span.begin_ms <= span.end_ms && span.begin_ms >= -kLongest &&
      span.end_ms <= kLongest) {
    return;
  }
  throw Error(Code::kBadArgument,
              "making a trace: " + described(span) +
                  ", does not end after its begin or has no finite time");
}

std::vector<Interval> intervals(std::span<const TraceSpan> spans) {
  const auto nanoseconds = [](double ms) {
    return static_cast<std::int64_t>(std::llround(ms * 1e6));
  };
  std::vector<Interval> all;
  std::int64_t first = 0;
  for (const TraceSpan& span : spans) {
    check_times(span);
    all.push_back({nanoseconds(span.begin_ms), nanoseconds(span.end_ms)});
    first = std::min(first, all.back().begin_ns);
  }
  for (Interval& interval : all) {
    interval.begin_ns -= first;
    interval.end_ns -= first;
  }
  return all;
}

// By rank, and within a rank in the order in which streams are first named.
std::vector<Track> tracks(std::span<const TraceSpan> spans) {
  std::map<std::pair<int, std::string>, std::size_t> index;
  std::vector<Track> all;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const TraceSpan& span = spans[i];
    const auto [at, is_new] =
        index.try_emplace({span.rank, span.stream}, all.size());
    if (is_new) all.push_back({span.rank, 0, span.stream, {}});
    all[at->second].spans.push_back(i);
  }
  std::stable_sort(all.begin(), all.end(), [](const Track& a, const Track& b) {
    return a.rank < b.rank;
  });
  for (std::size_t t = 0; t < all.size(); ++t) {
    all[t].number = static_cast<int>(t) + 1;
  }
  return all;
}

void order(Track& track, const std::vector<Interval>& times) {
  std::stable_sort(track.spans.begin(), track.spans.end(),
                   [&](std::size_t a, std::size_t b) {
                     return std::pair(times[a].begin_ns, -times[a].end_ns) <
                            std::pair(times[b].begin_ns, -times[b].end_ns);
                   });
}

void check_nesting(const Track& track, std::span<const TraceSpan> spans,
                   const std::vector<Interval>& times) {
  std::vector<std::size_t> open;
  for (const std::size_t span : track.spans) {
    while (!open.empty() && times[open.back()].end_ns <= times[span].begin_ns) {
      open.pop_back();
    }
    if (!open.empty() && times[open.back()].end_ns < times[span].end_ns) {
      throw Error(Code::kBadArgument,
                  "making a trace: " + described(spans[span]) +
                      ", crosses the end of " + described(spans[open.back()]));
    }
    open.push_back(span);
  }
}

// Microseconds, the unit of the format.
double shown(std::int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e3;
}

// Each event on a line of its own, so that traces can be compared as text.
class Events {
 public:
  void add(const Json& event) {
    text_ += text_.empty() ? "" : ",\n";
    // A name that is not UTF-8 must not cost the whole trace.
    text_ += event.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  std::string close() const {
    return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + text_ + "\n]}";
  }

 private:
  std::string text_;
};

void add_process(Events& events, int rank) {
  events.add({{"ph", "M"},
              {"pid", rank},
              {"name", "process_name"},
              {"args", {{"name", "rank " + std::to_string(rank)}}}});
  events.add({{"ph", "M"},
              {"pid", rank},
              {"name", "process_sort_index"},
              {"args", {{"sort_index", rank}}}});
}

void add_thread(Events& events, const Track& track) {
  events.add({{"ph", "M"},
              {"pid", track.rank},
              {"tid", track.number},
              {"name", "thread_name"},
              {"args", {{"name", track.stream}}}});
  events.add({{"ph", "M"},
              {"pid", track.rank},
              {"tid", track.number},
              {"name", "thread_sort_index"},
              {"args", {{"sort_index", track.number}}}});
}

void add_span(Events& events, const Track& track, const TraceSpan& span,
              const Interval& time) {
  events.add({{"ph", "X"},
              {"pid", track.rank},
              {"tid", track.number},
              {"ts", shown(time.begin_ns)},
              {"dur", shown(time.end_ns - time.begin_ns)},
              {"cat", span.phase},
              {"name", span.name}});
}

// One end of an arrow. A viewer hangs it on the span that holds its time, which
// a span's end no longer is. "bp" asks for that span at the arrow's head too.
void add_arrow_end(Events& events, const Track& track, std::size_t id,
                   std::int64_t time_ns, bool is_head) {
  Json event = {{"ph", is_head ? "f" : "s"},
                {"pid", track.rank},
                {"tid", track.number},
                {"ts", shown(time_ns)},
                {"cat", "transfer"},
                {"name", "transfer"},
                {"id", id}};
  if (is_head) event["bp"] = "e";
  events.add(event);
}

void add_arrows(Events& events, const std::vector<Track>& tracks,
                std::span<const TraceArrow> arrows,
                const std::vector<Interval>& times) {
  std::vector<const Track*> of(times.size());
  for (const Track& track : tracks) {
    for (const std::size_t span : track.spans) of[span] = &track;
  }
  for (std::size_t id = 0; id < arrows.size(); ++id) {
    const auto [from, to] = arrows[id];
    require(from < of.size() && to < of.size(),
            "a trace's arrows join two of its spans");
    const std::int64_t arrival =
        std::max(times[to].begin_ns, times[to].end_ns - 1);
    add_arrow_end(events, *of[from], id, times[from].begin_ns, false);
    add_arrow_end(events, *of[to], id, arrival, true);
  }
}

[[noreturn]] void refuse(const fs::path& file, int number) {
  throw Error(Code::kBadArgument,
              "writing the trace " + file.string() + ": " +
                  std::system_category().message(number) +
                  "; name a file in a folder that exists, may be written to "
                  "and has room");
}

// Returns errno, or 0.
int write_text(const fs::path& file, const std::string& text) {
  std::FILE* out = std::fopen(file.c_str(), "wb");
  if (out == nullptr) return errno;
  int number = 0;
  if (std::fwrite(text.data(), 1, text.size(), out) != text.size()) {
    number = errno;
  }
  if (std::fclose(out) != 0 && number == 0) number = errno;
  return number;
}

}  // namespace

std::vector<TraceSpan> trace_spans(int rank,
                                   std::span<const Timeline::Record> records,
                                   const Event& origin) {
  std::vector<TraceSpan> spans;
  spans.reserve(records.size());
  for (const Timeline::Record& record : records) {
    if (record.end == nullptr) {
      throw Error(Code::kBadArgument, "making a trace: span \"" + record.name +
                                          "\" of rank " + std::to_string(rank) +
                                          " is still open");
    }
    spans.push_back({rank, record.stream->name(), record.name,
                     name_of(record.phase),
                     1e3 * record.begin->seconds_since(origin),
                     1e3 * record.end->seconds_since(origin)});
  }
  return spans;
}

std::string trace_json(std::span<const TraceSpan> spans,
                       std::span<const TraceArrow> arrows) {
  const std::vector<Interval> times = intervals(spans);
  std::vector<Track> rows = tracks(spans);
  Events events;
  for (std::size_t t = 0; t < rows.size(); ++t) {
    if (t == 0 || rows[t].rank != rows[t - 1].rank) {
      add_process(events, rows[t].rank);
    }
    add_thread(events, rows[t]);
  }
  for (Track& track : rows) {
    order(track, times);
    check_nesting(track, spans, times);
    for (const std::size_t span : track.spans) {
      add_span(events, track, spans[span], times[span]);
    }
  }
  add_arrows(events, rows, arrows, times);
  return events.close();
}

void write_trace(const fs::path& file, std::span<const TraceSpan> spans,
                 std::span<const TraceArrow> arrows) {
  const std::string text = trace_json(spans, arrows) + "\n";
  const fs::path fresh = file.string() + ".tmp-" + std::to_string(::getpid());
  int number = write_text(fresh, text);
  if (number == 0) {
    std::error_code error;
    fs::rename(fresh, file, error);
    number = error.value();
  }
  if (number == 0) return;
  std::error_code ignored;
  fs::remove(fresh, ignored);
  refuse(file, number);
}

}  // namespace cairn
