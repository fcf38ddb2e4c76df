#include "launcher/table.h"

#include <gtest/gtest.h>

#include <sstream>

#include "launcher/byte_size.h"

namespace cairn {
namespace {

TEST(ByteTable, AlignsAndAddsUp) {
  std::ostringstream out;
  byte_table("memory", {{"parameters", 1536}, {"data", 12}}).print(out);

  EXPECT_EQ(out.str(),
            "memory          size  bytes\n"
            "---------------------------\n"
            "parameters  1.50 KiB   1536\n"
            "data            12 B     12\n"
            "---------------------------\n"
            "total       1.51 KiB   1548\n");
}

TEST(ByteSize, ReadsUnits) {
  EXPECT_EQ(parse_byte_size("60GiB"), 64424509440);
  EXPECT_EQ(parse_byte_size("512 MiB"), 536870912);
  EXPECT_EQ(parse_byte_size("1.5GB"), 1500000000);
  EXPECT_EQ(parse_byte_size("4096"), 4096);
  for (const char* wrong : {"", "GiB", "-1", "0", "1e99", "5 gib", "nan"}) {
    EXPECT_EQ(parse_byte_size(wrong), std::nullopt) << wrong;
  }
}

TEST(HumanBytes, StaysBelowTheNextUnit) {
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1048575), "1.00 MiB");
}

}  // namespace
}  // namespace cairn
