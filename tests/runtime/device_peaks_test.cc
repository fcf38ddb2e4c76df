#include "runtime/device_peaks.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(DevicePeaks, AreTheDenseOnesOfTheCardsOwnName) {
  EXPECT_EQ(peak_flops("NVIDIA H200", DType::kBF16), 989.4e12);
  EXPECT_EQ(peak_flops("NVIDIA H100 80GB HBM3", DType::kBF16), 989.4e12);
  EXPECT_EQ(peak_flops("NVIDIA H100 NVL", DType::kBF16), 835.5e12);
  EXPECT_EQ(peak_flops("NVIDIA B200", DType::kBF16), 2250e12);
  EXPECT_EQ(peak_flops("NVIDIA A100-SXM4-80GB", DType::kBF16), 312e12);
  EXPECT_EQ(peak_flops("NVIDIA L40S", DType::kBF16), 362.05e12);
}

TEST(DevicePeaks, OfF32AreThoseWithoutTensorCores) {
  EXPECT_EQ(peak_flops("NVIDIA H200", DType::kF32), 66.9e12);
  EXPECT_EQ(peak_flops("NVIDIA A100-SXM4-40GB", DType::kF32), 19.5e12);
}

TEST(DevicePeaks, AreNotGuessedForOtherNamesAndTypes) {
  for (const char* card :
       {"", "NVIDIA H200 MIG 1g.18gb", "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU", "H200", "NVIDIA H300"}) {
    EXPECT_FALSE(peak_flops(card, DType::kBF16)) << card;
  }
  EXPECT_FALSE(peak_flops("NVIDIA H200", DType::kF64));
}

TEST(DevicePeaks, AreKnownForEveryCardThatIsNamed) {
  EXPECT_GE(cards_with_peaks().size(), 8U);
  for (const std::string& card : cards_with_peaks()) {
    EXPECT_GT(peak_flops(card, DType::kBF16), peak_flops(card, DType::kF32));
  }
}

}  // namespace
}  // namespace cairn
