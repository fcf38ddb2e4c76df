#include "runtime/cpu/cpu_stream.h"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <utility>

#include "runtime/error.h"
#include "tests/support/idle_stream.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

TEST(CpuStream, RunsMoreWorkThanItsRingHoldsInOrder) {
  CpuStream stream("s");
  int next = 0;
  bool ordered = true;

  for (int k = 0; k < 5000; ++k) {
    stream.enqueue([&, k] { ordered = ordered && next++ == k; });
  }
  stream.synchronize();

  EXPECT_TRUE(ordered);
  EXPECT_EQ(next, 5000);
}

TEST(CpuStream, ReachesAMarkOnlyAfterTheWorkBeforeIt) {
  std::latch gate(1);
  CpuStream stream("s");

  stream.enqueue([&] { gate.wait(); });
  const auto mark = stream.record();
  const bool early = mark->reached();
  gate.count_down();
  mark->synchronize();

  EXPECT_FALSE(early);
  EXPECT_TRUE(mark->reached());
}

TEST(CpuStream, HoldsBackWorkUntilTheOtherStreamsMark) {
  std::latch gate(1);
  int written = 0;
  int seen = -1;
  CpuStream first("a");
  CpuStream second("b");

  first.enqueue([&] {
    gate.wait();
    written = 7;
  });
  second.wait(first.record());
  second.enqueue([&] { seen = written; });
  const auto mark = second.record();
  const bool early = mark->reached();
  gate.count_down();
  second.synchronize();

  EXPECT_FALSE(early);
  EXPECT_EQ(seen, 7);
}

TEST(CpuStream, PassesAFailureOnAndStillDoesWhatMustHappen) {
  CpuStream first("a");
  CpuStream second("b");
  bool worked = false;
  bool released = false;

  first.enqueue([] { throw Error(Code::kPeerLost, "rank 3 is gone"); });
  second.wait(first.record());
  second.enqueue([&] { worked = true; });
  second.enqueue_always([&] { released = true; });
  const Error error = thrown([&] { second.synchronize(); });

  EXPECT_EQ(error.code(), Code::kPeerLost);
  EXPECT_EQ(error.message(), "rank 3 is gone");
  EXPECT_FALSE(worked);
  EXPECT_TRUE(released);
}

TEST(CpuStream, KeepsTheFirstFailureForGood) {
  CpuStream lost("a");
  CpuStream stream("b");

  stream.enqueue([] { throw Error(Code::kDiverged, "first"); });
  lost.enqueue([] { throw Error(Code::kPeerLost, "second"); });
  stream.wait(lost.record());

  for (int k = 0; k < 2; ++k) {
    EXPECT_EQ(thrown([&] { stream.synchronize(); }).message(), "first");
  }
}

TEST(CpuStream, MarksAFailureInLaterEventsOnly) {
  CpuStream stream("s");
  const auto before = stream.record();
  stream.enqueue([] { throw Error(Code::kDiverged, "not finite"); });
  const auto after = stream.record();

  EXPECT_NO_THROW(before->synchronize());
  const Error error = thrown([&] { after->synchronize(); });
  EXPECT_EQ(error.message(), "not finite");
  EXPECT_TRUE(after->reached());
}

TEST(CpuStream, RunsHostWorkInOrderAndFailsWithIt) {
  CpuStream stream("s");
  int written = 0;
  int seen = 0;

  stream.enqueue([&] { written = 7; });
  stream.enqueue_host([&] { seen = written; });
  stream.enqueue_host([] { throw Error(Code::kPeerLost, "rank 3 is gone"); });
  stream.enqueue_host([&] { seen = 0; });
  const Error error = thrown([&] { stream.synchronize(); });

  EXPECT_EQ(error.message(), "rank 3 is gone");
  EXPECT_EQ(seen, 7);
}

TEST(CpuStream, FinishesItsQueueBeforeItGoes) {
  int done = 0;
  {
    CpuStream stream("s");
    for (int k = 0; k < 100; ++k) stream.enqueue([&] { ++done; });
  }
  EXPECT_EQ(done, 100);
}

TEST(CpuStream, LetsGoOfWorkOnceItRan) {
  CpuStream stream("s");
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;

  stream.enqueue([held = std::move(held)] {});
  stream.synchronize();

  EXPECT_TRUE(watched.expired());
}

TEST(CpuEvent, TellsTheTimeSinceAnEarlierOneOfAnyCpuStream) {
  CpuStream first("a");
  CpuStream second("b");
  const auto begin = first.record();
  second.wait(begin);
  const auto end = second.record();
  second.synchronize();

  EXPECT_GE(end->seconds_since(*begin), 0.0);
  EXPECT_EQ(begin->seconds_since(*end), -end->seconds_since(*begin));
}

TEST(CpuEvent, RefusesTimesThatAreNotKnown) {
  std::latch gate(1);
  CpuStream stream("s");
  IdleStream other;
  const auto begin = stream.record();
  stream.enqueue([&] { gate.wait(); });
  const auto end = stream.record();

  const Error unreached = thrown([&] { (void)end->seconds_since(*begin); });
  gate.count_down();
  stream.synchronize();
  const Error foreign =
      thrown([&] { (void)end->seconds_since(*other.record()); });

  EXPECT_EQ(unreached.message(),
            "times are known once both events are reached");
  EXPECT_EQ(foreign.message(), "times of two devices cannot be compared");
}

TEST(CpuNative, NamesTheDeviceOfAnotherBackendsStream) {
  IdleStream stream;
  const Error error = thrown([&] { cpu_native(stream); });
  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(), "a stream of sim:0 was given to the cpu");
}

}  // namespace
}  // namespace cairn
