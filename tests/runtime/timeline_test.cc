#include "runtime/timeline.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "tests/support/thrown.h"

namespace cairn {
namespace {

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

// A stream whose clock the test sets.
class ClockStream final : public Stream {
 public:
  Device device() const override { return {Device::Kind::kSim, 0}; }
  const std::string& name() const override { return name_; }
  std::shared_ptr<Event> record() override {
    return std::make_shared<ClockEvent>(seconds_);
  }
  void wait(std::shared_ptr<Event> /*event*/) override {}
  void enqueue_host(std::function<void()> /*work*/) override {}
  void synchronize() override {}

  void pass(double seconds) { seconds_ += seconds; }

 private:
  std::string name_;
  double seconds_ = 0.0;
};

double of(Phase phase, const std::array<double, kPhases>& ms) {
  return ms[static_cast<std::size_t>(phase)];
}

double sum(const std::array<double, kPhases>& ms) {
  return std::accumulate(ms.begin(), ms.end(), 0.0);
}

TEST(Timeline, DoesNotChargeAParentForItsChildren) {
  ClockStream stream;
  Timeline timeline;
  {
    const auto backward = timeline.open(stream, Phase::kCompute, "backward");
    stream.pass(1.0);
    {
      const auto again = timeline.open(stream, Phase::kRecompute, "again");
      stream.pass(2.0);
      const auto fetch = timeline.open(stream, Phase::kOffload, "fetch");
      stream.pass(4.0);
    }
    stream.pass(8.0);
  }

  const auto ms = milliseconds(timeline.take(), stream);

  EXPECT_EQ(of(Phase::kCompute, ms), 9000.0);
  EXPECT_EQ(of(Phase::kRecompute, ms), 2000.0);
  EXPECT_EQ(of(Phase::kOffload, ms), 4000.0);
}

TEST(Timeline, SplitsOneStreamsTimeIntoPhasesThatAddUp) {
  ClockStream stream;
  Timeline timeline;
  for (int step = 0; step < 3; ++step) {
    const auto outer = timeline.open(stream, Phase::kCompute, "outer");
    for (int child = 0; child < 4; ++child) {
      stream.pass(0.5);
      const auto inner = timeline.open(
          stream, child % 2 == 0 ? Phase::kRecompute : Phase::kCompute, "in");
      stream.pass(0.25);
    }
  }

  const auto ms = milliseconds(timeline.take(), stream);

  EXPECT_EQ(sum(ms), 3 * 4 * 750.0);
  EXPECT_EQ(of(Phase::kRecompute, ms), 3 * 2 * 250.0);
}

TEST(Timeline, NestsSpansOfTheSameStreamOnly) {
  ClockStream first;
  ClockStream second;
  Timeline timeline;
  {
    const auto compute = timeline.open(first, Phase::kCompute, "compute");
    const auto send = timeline.open(second, Phase::kCommunication, "send");
    const auto again = timeline.open(first, Phase::kRecompute, "again");
    first.pass(2.0);
    second.pass(3.0);
  }

  const auto spans = timeline.take();

  ASSERT_EQ(spans.size(), 3U);
  EXPECT_EQ(spans[1].parent, -1);
  EXPECT_EQ(spans[2].parent, 0);
  EXPECT_EQ(of(Phase::kCommunication, milliseconds(spans, second)), 3000.0);
  EXPECT_EQ(of(Phase::kCompute, milliseconds(spans, first)), 0.0);
  EXPECT_EQ(of(Phase::kRecompute, milliseconds(spans, first)), 2000.0);
  EXPECT_EQ(of(Phase::kCommunication, milliseconds(spans, first)), 0.0);
}

TEST(Timeline, GivesOutWhatATraceShows) {
  ClockStream stream;
  Timeline timeline;
  { const auto span = timeline.open(stream, Phase::kData, "tokens"); }

  const auto spans = timeline.take();

  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].name, "tokens");
  EXPECT_EQ(spans[0].phase, Phase::kData);
  EXPECT_EQ(spans[0].stream, &stream);
  EXPECT_NE(spans[0].begin, nullptr);
  EXPECT_NE(spans[0].end, nullptr);
}

TEST(Timeline, ForgetsWhatWasTaken) {
  ClockStream stream;
  Timeline timeline;
  { const auto span = timeline.open(stream, Phase::kData, "one"); }
  timeline.take();
  EXPECT_TRUE(timeline.take().empty());

  {
    const auto outer = timeline.open(stream, Phase::kCompute, "two");
    const auto inner = timeline.open(stream, Phase::kData, "three");
  }
  const auto spans = timeline.take();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[1].parent, 0);
}

TEST(Timeline, KeepsItsSpansWhenOneIsStillOpen) {
  ClockStream stream;
  Timeline timeline;
  auto span = timeline.open(stream, Phase::kCompute, "open");

  EXPECT_EQ(thrown([&] { timeline.take(); }).code(), Code::kBadArgument);
  span.close();
  EXPECT_EQ(timeline.take().size(), 1U);
}

TEST(Timeline, ClosesAMovedSpanOnceAndWhereItWent) {
  ClockStream stream;
  Timeline timeline;
  Timeline::Span kept;
  {
    auto span = timeline.open(stream, Phase::kBubble, "moved");
    kept = std::move(span);
  }
  stream.pass(1.0);
  kept.close();
  stream.pass(1.0);
  kept.close();

  EXPECT_EQ(of(Phase::kBubble, milliseconds(timeline.take(), stream)), 1000.0);
}

TEST(Timeline, RecordsNothingWhenItIsDisabled) {
  ClockStream stream;
  Timeline timeline(/*enabled=*/false);
  const auto span = timeline.open(stream, Phase::kCompute, "unseen");
  EXPECT_TRUE(timeline.take().empty());
}

TEST(Phase, HasAKeyOfItsOwnForTheMetrics) {
  std::set<std::string> keys;
  for (int phase = 0; phase < kPhases; ++phase) {
    keys.insert(name_of(static_cast<Phase>(phase)));
  }
  EXPECT_EQ(keys, (std::set<std::string>{"compute", "recompute", "optimizer",
                                         "data", "bubble", "communication",
                                         "offload", "snapshot", "other"}));
  EXPECT_STREQ(name_of(Phase::kOther), "other");
}

}  // namespace
}  // namespace cairn
