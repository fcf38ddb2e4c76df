#include "runtime/random.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

// The known answers that the authors of Random123 publish for philox4x32-10.
TEST(Philox, GivesTheKnownAnswers) {
  constexpr std::uint32_t kOnes = 0xffffffffU;
  EXPECT_EQ(philox(0, {0, 0, 0, 0}),
            (Random4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~std::uint64_t{0}, {kOnes, kOnes, kOnes, kOnes}),
            (Random4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822U,
                   {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Random4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Dropout, IsOffWithoutAProbability) {
  const Dropout off;
  EXPECT_FALSE(off);
  EXPECT_EQ(off.threshold(), 0U);
  EXPECT_EQ(off.scale(), 1.0F);
}

TEST(Dropout, DropsItsShareOfAllWordsAndScalesTheRest) {
  Dropout dropout;
  dropout.probability = 0.25F;
  EXPECT_TRUE(dropout);
  EXPECT_EQ(dropout.threshold(), 1U << 30);
  EXPECT_EQ(dropout.scale(), 1.0F / 0.75F);
}

}  // namespace
}  // namespace cairn
