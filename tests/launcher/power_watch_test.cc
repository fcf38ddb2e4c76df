#include "launcher/power_watch.h"

#include <gtest/gtest.h>

#include <future>

namespace cairn {
namespace {

MeterReading reading(double joules, double mhz, double celsius) {
  return {joules, mhz, celsius};
}

TEST(PowerTrack, DividesTheEnergyOfTheTimeAskedFor) {
  PowerTrack track;
  track.add(10.0, {reading(1000, 1000, 40)});
  track.add(11.0, {reading(1100, 1200, 45)});
  track.add(12.0, {reading(1400, 1400, 50)});

  EXPECT_EQ(track.draw(0.5).watts, 300.0);  // at least one interval
  EXPECT_EQ(track.draw(1.0).watts, 300.0);
  EXPECT_EQ(track.draw(1.5).watts, 200.0);
  EXPECT_EQ(track.draw(99.0).watts, 200.0);  // no more is known
  EXPECT_EQ(track.draw(1.0).sm_clock_mhz, 1300.0);
  EXPECT_EQ(track.draw(99.0).celsius, 50.0);
}

TEST(PowerTrack, AddsCardsUp) {
  PowerTrack track;
  track.add(0.0, {reading(0, 1000, 40), reading(50, 2000, 60)});
  track.add(2.0, {reading(10, 1000, 40), reading(70, 2000, 50)});

  const PowerDraw draw = track.draw(2.0);

  EXPECT_EQ(draw.watts, 15.0);
  EXPECT_EQ(draw.sm_clock_mhz, 1500.0);
  EXPECT_EQ(draw.celsius, 50.0);
}

TEST(PowerTrack, KnowsNothingThatOneCardDoesNotTell) {
  PowerTrack track;
  EXPECT_FALSE(track.draw(1.0).watts);
  track.add(0.0, {reading(0, 1000, 40), {}});
  EXPECT_FALSE(track.draw(1.0).watts);
  track.add(1.0, {reading(10, 1000, 40), {}});

  const PowerDraw draw = track.draw(1.0);

  EXPECT_FALSE(draw.watts);
  EXPECT_FALSE(draw.sm_clock_mhz);
  EXPECT_EQ(draw.celsius, 40.0);
}

TEST(PowerTrack, ForgetsWhatIsOlderThanAMinute) {
  PowerTrack track;
  track.add(0.0, {reading(0, 0, 0)});
  track.add(50.0, {reading(50, 0, 0)});
  track.add(100.0, {reading(200, 0, 0)});

  EXPECT_EQ(track.draw(99.0).watts, 3.0);
}

// Tells when it has been read so often that a draw is known.
class CountingMeter final : public DeviceMeter {
 public:
  explicit CountingMeter(std::promise<void>& read) : read_(read) {}

  MeterReading read() override {
    if (++reads_ == 4) read_.set_value();
    return reading(reads_, 1500, 55);
  }

 private:
  std::promise<void>& read_;
  int reads_ = 0;
};

TEST(PowerWatch, ReadsByItselfUntilItEnds) {
  std::promise<void> read;
  PowerWatch::Meters meters;
  meters.push_back(std::make_unique<CountingMeter>(read));
  const PowerWatch watch(std::move(meters), std::chrono::milliseconds(1));

  read.get_future().wait();
  const PowerDraw draw = watch.draw(0.0);

  EXPECT_GT(draw.watts, 0.0);
  EXPECT_EQ(draw.sm_clock_mhz, 1500.0);
  EXPECT_EQ(draw.celsius, 55.0);
}

TEST(PowerWatch, KnowsNothingWithoutMeters) {
  const PowerWatch watch({}, std::chrono::milliseconds(1));

  EXPECT_FALSE(watch.draw(1.0).watts);
  EXPECT_FALSE(watch.draw(1.0).celsius);
}

}  // namespace
}  // namespace cairn
