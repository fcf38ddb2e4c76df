#include "launcher/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/support/thrown.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TraceSpan span(int rank, const std::string& stream, const std::string& name,
               double begin_ms, double end_ms) {
  return {rank, stream, name, "compute", begin_ms, end_ms};
}

std::vector<json> events(const std::vector<TraceSpan>& spans,
                         const std::string& kind,
                         const std::vector<TraceArrow>& arrows = {}) {
  std::vector<json> found;
  const json trace = json::parse(trace_json(spans, arrows));
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("ph") == kind) found.push_back(event);
  }
  return found;
}

std::vector<std::string> names(const std::vector<TraceSpan>& spans) {
  std::vector<std::string> all;
  for (const json& event : events(spans, "X")) all.push_back(event.at("name"));
  return all;
}

// As viewers read them.
std::int64_t nanoseconds(const json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000.0);
}

Error refusal(const std::vector<TraceSpan>& spans) {
  return thrown([&] { trace_json(spans); });
}

TEST(Trace, IsTheTextThatIsWrittenHere) {
  const std::vector<TraceSpan> spans = {
      {0, "compute", "F0.0", "compute", 0.0, 1.25},
      {0, "send", "so0.0", "communication", 1.25, 1.5},
      {1, "compute", "ri1.0", "communication", 0.0, 1.5}};

  EXPECT_EQ(
      trace_json(spans, std::vector<TraceArrow>{{1, 2}}),
      R"({"displayTimeUnit":"ms","traceEvents":[
{"ph":"M","pid":0,"name":"process_name","args":{"name":"rank 0"}},
{"ph":"M","pid":0,"name":"process_sort_index","args":{"sort_index":0}},
{"ph":"M","pid":0,"tid":1,"name":"thread_name","args":{"name":"compute"}},
{"ph":"M","pid":0,"tid":1,"name":"thread_sort_index","args":{"sort_index":1}},
{"ph":"M","pid":0,"tid":2,"name":"thread_name","args":{"name":"send"}},
{"ph":"M","pid":0,"tid":2,"name":"thread_sort_index","args":{"sort_index":2}},
{"ph":"M","pid":1,"name":"process_name","args":{"name":"rank 1"}},
{"ph":"M","pid":1,"name":"process_sort_index","args":{"sort_index":1}},
{"ph":"M","pid":1,"tid":3,"name":"thread_name","args":{"name":"compute"}},
{"ph":"M","pid":1,"tid":3,"name":"thread_sort_index","args":{"sort_index":3}},
)"
      R"({"ph":"X","pid":0,"tid":1,"ts":0.0,"dur":1250.0,"cat":"compute",)"
      R"("name":"F0.0"},
{"ph":"X","pid":0,"tid":2,"ts":1250.0,"dur":250.0,"cat":"communication",)"
      R"("name":"so0.0"},
{"ph":"X","pid":1,"tid":3,"ts":0.0,"dur":1500.0,"cat":"communication",)"
      R"("name":"ri1.0"},
{"ph":"s","pid":0,"tid":2,"ts":1250.0,"cat":"transfer","name":"transfer",)"
      R"("id":0},
{"ph":"f","pid":1,"tid":3,"ts":1499.999,"cat":"transfer","name":"transfer",)"
      R"("id":0,"bp":"e"}
]})");
}

TEST(Trace, OfNothingHasNoEvents) {
  EXPECT_TRUE(json::parse(trace_json({})).at("traceEvents").empty());
}

TEST(Trace, ShowsOneThreadForEachStreamOfEachRank) {
  const std::vector<TraceSpan> spans = {
      span(2, "offload", "a", 0, 1), span(0, "compute", "b", 0, 1),
      span(2, "compute", "c", 0, 1), span(2, "offload", "d", 1, 2)};

  std::map<std::string, std::pair<int, std::string>> rows;
  std::set<int> threads;
  for (const json& row : events(spans, "M")) {
    if (row.at("name") != "thread_name") continue;
    threads.insert(row.at("tid").get<int>());
    for (const json& shown : events(spans, "X")) {
      if (shown.at("tid") != row.at("tid")) continue;
      EXPECT_EQ(shown.at("pid"), row.at("pid"));
      rows[shown.at("name")] = {row.at("pid"), row.at("args").at("name")};
    }
  }

  EXPECT_EQ(threads, (std::set<int>{1, 2, 3}));
  EXPECT_EQ(rows, (decltype(rows){{"a", {2, "offload"}},
                                  {"b", {0, "compute"}},
                                  {"c", {2, "compute"}},
                                  {"d", {2, "offload"}}}));
}

TEST(Trace, PutsASpanAfterTheOneThatEnclosesIt) {
  EXPECT_THAT(names({span(0, "s", "inner", 0, 1), span(0, "s", "next", 2, 3),
                     span(0, "s", "second", 1, 2), span(0, "s", "outer", 0, 2),
                     span(0, "s", "same", 0, 2)}),
              ElementsAre("outer", "same", "inner", "second", "next"));
}

TEST(Trace, KeepsNestedSpansNestedToTheNanosecond) {
  std::vector<TraceSpan> spans;
  for (int i = 0; i < 3000; ++i) {
    const double begin = i / 3.0;
    const double end = (i + 1) / 3.0;
    spans.push_back(span(0, "s", "outer", begin, end));
    spans.push_back(span(0, "s", "left", begin, (begin + end) / 2));
    spans.push_back(span(0, "s", "right", (begin + end) / 2, end));
  }

  const auto shown = events(spans, "X");
  const auto begin = [&](std::size_t i) {
    return nanoseconds(shown[i].at("ts"));
  };
  const auto end = [&](std::size_t i) {
    return begin(i) + nanoseconds(shown[i].at("dur"));
  };

  ASSERT_EQ(shown.size(), spans.size());
  for (std::size_t i = 0; i < shown.size(); i += 3) {
    ASSERT_EQ(begin(i), i == 0 ? 0 : end(i - 3));
    ASSERT_EQ(begin(i), begin(i + 1));
    ASSERT_EQ(end(i + 1), begin(i + 2));
    ASSERT_EQ(end(i + 2), end(i));
    ASSERT_GE(nanoseconds(shown[i + 1].at("dur")), 0);
  }
}

TEST(Trace, HasMicroseconds) {
  const auto shown = events({span(0, "s", "a", 3600e3, 3600e3 + 1.5e-6)}, "X");

  EXPECT_EQ(shown[0].at("ts"), 3600e6);
  EXPECT_EQ(shown[0].at("dur"), 0.002);
}

TEST(Trace, BeginsAt0WhereTimesAreBeforeIt) {
  const auto shown =
      events({span(0, "s", "a", 1, 3), span(1, "s", "b", -2, 3)}, "X");

  EXPECT_EQ(shown[0].at("ts"), 3000);
  EXPECT_EQ(shown[0].at("dur"), 2000);
  EXPECT_EQ(shown[1].at("ts"), 0);
  EXPECT_EQ(shown[1].at("dur"), 5000);
}

TEST(Trace, EscapesNamesAndOutlivesWhatIsNotUtf8) {
  const std::string quoted = "a \"b\" \\ \n\t\x01 \xc3\xa9";
  TraceSpan odd = span(0, quoted, quoted, 0, 1);
  odd.phase = quoted;

  const json shown = events({odd}, "X").at(0);
  EXPECT_EQ(shown.at("name"), quoted);
  EXPECT_EQ(shown.at("cat"), quoted);
  EXPECT_EQ(events({odd}, "M").at(2).at("args").at("name"), quoted);

  EXPECT_THAT(names({span(0, "s", "bad \xff", 0, 1)}),
              ElementsAre("bad \xef\xbf\xbd"));
}

TEST(Trace, RefusesSpansThatNoTimelineMakes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [begin, end] :
       {std::pair(2.0, 1.0), std::pair(nan, 1.0), std::pair(1.0, nan),
        std::pair(0.0, 1e300)}) {
    const Error error = refusal({span(3, "compute", "F0.1", begin, end)});
    EXPECT_EQ(error.code(), Code::kBadArgument);
    EXPECT_THAT(error.message(),
                HasSubstr("\"F0.1\" on stream compute of rank 3"));
  }

  const Error crossing =
      refusal({span(0, "s", "first", 0, 2), span(0, "s", "second", 1, 3)});
  EXPECT_EQ(crossing.code(), Code::kBadArgument);
  EXPECT_THAT(crossing.message(), HasSubstr("\"second\""));
  EXPECT_THAT(crossing.message(), HasSubstr("crosses the end of span \"first"));
  trace_json(std::vector{span(0, "s", "a", 0, 2), span(0, "t", "b", 1, 3),
                         span(1, "s", "c", 1, 3)});
}

TEST(TraceArrows, HangOnTheirSpans) {
  const std::vector<TraceSpan> spans = {span(0, "s", "from", 1, 2),
                                        span(1, "s", "empty", 2, 2),
                                        span(1, "s", "to", 2, 3)};
  const std::vector<TraceArrow> arrows = {{0, 2}, {0, 1}};

  const auto tails = events(spans, "s", arrows);
  const auto heads = events(spans, "f", arrows);

  ASSERT_EQ(tails.size(), 2U);
  ASSERT_EQ(heads.size(), 2U);
  EXPECT_EQ(tails[0].at("id"), heads[0].at("id"));
  EXPECT_NE(tails[0].at("id"), tails[1].at("id"));
  EXPECT_EQ(tails[0].at("pid"), 0);
  EXPECT_EQ(tails[0].at("ts"), 1000);
  EXPECT_EQ(heads[0].at("pid"), 1);
  EXPECT_EQ(heads[0].at("ts"), 2999.999);
  EXPECT_EQ(heads[1].at("ts"), 2000);
  EXPECT_EQ(thrown([&] {
              events(spans, "s", {{0, 3}});
            }).code(),
            Code::kBadArgument);
}

TEST(TraceArrows, JoinEachSendToItsReceive) {
  const std::vector<TraceSpan> spans = {
      span(0, "s", "so0.1", 0, 1), span(0, "s", "rg0.1", 3, 4),
      span(1, "s", "ri1.1", 0, 1), span(1, "s", "sg1.1", 2, 3),
      span(1, "s", "ss1", 4, 5),   span(0, "s", "rs0", 4, 5),
      span(1, "s", "so1.1", 6, 7), span(0, "s", "F0.1", 6, 7),
      span(0, "s", "sort", 8, 9),  span(0, "s", "so", 9, 10)};

  EXPECT_THAT(
      transfer_arrows(spans, 1),
      ElementsAre(TraceArrow{3, 1}, TraceArrow{0, 2}, TraceArrow{4, 5}));
}

TEST(TraceArrows, StayWithinAReplicaAndAStep) {
  std::vector<TraceSpan> spans;
  for (const double step : {0.0, 10.0}) {
    for (const int rank : {0, 1}) {
      spans.push_back(span(rank, "s", "so0.0", step, step + 1));
    }
    for (const int rank : {2, 3}) {
      spans.push_back(span(rank, "s", "ri1.0", step, step + 1));
    }
  }

  EXPECT_THAT(transfer_arrows(spans, 2),
              ElementsAre(TraceArrow{0, 2}, TraceArrow{4, 6}, TraceArrow{1, 3},
                          TraceArrow{5, 7}));
}

class ClockEvent final : public Event {
 public:
  explicit ClockEvent(double seconds) : seconds_(seconds) {}

  bool reached() const override { return true; }
  void synchronize() override {}
  double seconds_since(const Event& earlier) const override {
    return seconds_ - dynamic_cast<const ClockEvent&>(earlier).seconds_;
  }

 private:
  double seconds_;
};

class ClockStream final : public Stream {
 public:
  explicit ClockStream(std::string name) : name_(std::move(name)) {}

  Device device() const override { return {Device::Kind::kSim, 0}; }
  const std::string& name() const override { return name_; }
  std::shared_ptr<Event> record() override {
    return std::make_shared<ClockEvent>(seconds_++);
  }
  void wait(std::shared_ptr<Event> /*event*/) override {}
  void enqueue_host(std::function<void()> /*work*/) override {}
  void synchronize() override {}

 private:
  std::string name_;
  double seconds_ = 1.0;
};

TEST(TraceSpans, AreWhatATimelineGaveOut) {
  ClockStream compute("compute");
  ClockStream copies("offload");
  Timeline timeline;
  {
    const auto outer = timeline.open(compute, Phase::kCompute, "B0.0");
    const auto inner = timeline.open(compute, Phase::kRecompute, "again");
    const auto copy = timeline.open(copies, Phase::kOffload, "fetch");
  }
  const auto records = timeline.take();

  const auto spans = trace_spans(5, records, ClockEvent(1.0));

  EXPECT_THAT(
      spans,
      ElementsAre(TraceSpan{5, "compute", "B0.0", "compute", 0.0, 3000.0},
                  TraceSpan{5, "compute", "again", "recompute", 1000.0, 2000.0},
                  TraceSpan{5, "offload", "fetch", "offload", 0.0, 1000.0}));
}

TEST(TraceSpans, NeedClosedSpans) {
  ClockStream stream("s");
  const auto at = std::make_shared<ClockEvent>(0.0);
  const std::vector<Timeline::Record> open = {
      {&stream, Phase::kData, "tokens", -1, at, nullptr}};

  EXPECT_THAT(thrown([&] { trace_spans(1, open, *at); }).message(),
              HasSubstr("\"tokens\" of rank 1 is still open"));
}

class TraceFile : public testing::Test {
 protected:
  TraceFile() {
    std::string name = testing::TempDir() + "traceXXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~TraceFile() override { fs::remove_all(folder_); }

  std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder_), {});
  }

  fs::path folder_;
};

TEST_F(TraceFile, IsReplacedInOnePiece) {
  const std::vector<TraceSpan> spans = {span(0, "s", "a", 0, 1)};
  std::ofstream(folder_ / "trace.json") << "an older and longer trace";

  write_trace(folder_ / "trace.json", spans);

  std::ostringstream text;
  text << std::ifstream(folder_ / "trace.json").rdbuf();
  EXPECT_EQ(text.str(), trace_json(spans) + "\n");
  EXPECT_EQ(files(), 1);
}

TEST_F(TraceFile, IsRefusedWithItsPathAndLeavesNothingBehind) {
  const fs::path nowhere = folder_ / "none" / "trace.json";
  const Error missing = thrown([&] { write_trace(nowhere, {}); });
  EXPECT_EQ(missing.code(), Code::kBadArgument);
  EXPECT_THAT(missing.message(),
              HasSubstr(nowhere.string() + ": No such file or directory; "));

  fs::create_directory(folder_ / "taken");
  const Error taken = thrown([&] { write_trace(folder_ / "taken", {}); });
  EXPECT_THAT(taken.message(), HasSubstr("Is a directory"));
  EXPECT_EQ(files(), 1);
}

}  // namespace
}  // namespace cairn
