#include "runtime/data/token_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <type_traits>
#include <utility>

#include "runtime/data/write_token_shard.h"
#include "runtime/error.h"
#include "tests/runtime/data/shard_files.h"

namespace cairn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename Work>
std::string message_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  }
  return "nothing was thrown";
}

std::string open_message(const std::string& path,
                         const TokenOptions& options = {}) {
  return message_of([&] { TokenShards(path, options); });
}

// The index of documents [1, 2, 3] and [4, 5] as Megatron writes it.
const char kGoldenIndex[] =
    "4d4d4944494458000001000000000000000802000000000000000300000000000000030000"
    "00"
    "02000000000000000000000006000000000000000000000000000000010000000000000002"
    "00"
    "000000000000";
const char kGoldenBin[] = "01000200030004000500";

class MegatronShard : public testing::Test {
 protected:
  std::string message(const std::string& index, const std::string& bin) {
    folder_.write("x.idx", index);
    return open_message(folder_.write("x.bin", bin));
  }

  TestFolder folder_;
};

static_assert(!std::is_copy_constructible_v<TokenShards>);
static_assert(std::is_nothrow_move_constructible_v<TokenShards>);

TEST_F(MegatronShard, ReadsWhatMegatronWrites) {
  folder_.write("a.b_document.idx", unhex(kGoldenIndex));
  folder_.write("a.b_document.bin", unhex(kGoldenBin));

  for (const std::string format : {"auto", "megatron"}) {
    for (const char* name : {"", ".bin", ".idx"}) {
      const TokenShards shards(folder_.path("a.b_document") + name,
                               {format, 6, 4});
      EXPECT_EQ(shards.shards(), 1);
      EXPECT_THAT(tokens_of(shards, 0), ElementsAre(1, 2, 3, 4, 5)) << name;
    }
  }
}

TEST_F(MegatronShard, ReadsEveryIntegerType) {
  const std::pair<int, int> types[] = {{1, 1}, {2, 1}, {3, 2},
                                       {4, 4}, {5, 8}, {8, 2}};
  for (const auto& [code, width] : types) {
    folder_.write("x.idx", megatron_index(code, width, {3, 0, 2}));
    const TokenShards shards(folder_.write("x.bin", counted(120, 5, width)),
                             {"megatron", 125, 1});
    EXPECT_THAT(tokens_of(shards, 0), ElementsAre(120, 121, 122, 123, 124))
        << code;
  }
}

TEST_F(MegatronShard, FindsTokensOutsideTheVocabularyInEveryType) {
  const std::pair<int, int> types[] = {{1, 1}, {2, 1}, {3, 2},
                                       {4, 4}, {5, 8}, {8, 2}};
  for (const auto& [code, width] : types) {
    folder_.write("x.idx", megatron_index(code, width, {5000}));
    std::string bin = counted(0, 1, width);
    for (int i = 1; i < 5000; ++i) bin += little(i == 4999 ? 100 : 7, width);
    const std::string path = folder_.write("x.bin", bin);
    EXPECT_THAT(open_message(path, {"auto", 100, 1}),
                AllOf(HasSubstr(path), HasSubstr("token 100 at position 4999"),
                      HasSubstr("a vocabulary of 100")));
  }
}

TEST_F(MegatronShard, FindsNegativeAndHugeTokens) {
  EXPECT_THAT(message(megatron_index(2, 1, {3}), "\x01\xFF\x01"),
              HasSubstr("token -1 at position 1 is not"));
  EXPECT_THAT(message(megatron_index(4, 4, {2}), little(1, 4) + little(-9, 4)),
              HasSubstr("token -9 at position 1 is not"));
  EXPECT_THAT(message(megatron_index(5, 8, {2}),
                      little(1, 8) + little(std::int64_t{1} << 32, 8)),
              HasSubstr("token 4294967296 at position 1 is not in a "
                        "vocabulary of 2147483648"));
}

TEST_F(MegatronShard, RefusesAForeignHeader) {
  std::string index = unhex(kGoldenIndex);
  EXPECT_THAT(message("short", ""), HasSubstr("x.idx of 5 bytes does not"));
  EXPECT_THAT(message('N' + index.substr(1), ""), HasSubstr("does not begin"));
  index[9] = 2;
  EXPECT_THAT(message(index, ""), HasSubstr("does not begin"));
  for (const int code : {0, 6, 7, 9}) {
    EXPECT_THAT(message(megatron_index(code, 4, {2}), ""),
                HasSubstr("type " + std::to_string(code) + "; integers are"));
  }
}

TEST_F(MegatronShard, ComparesTheSizeOfTheIndexWithItsCounts) {
  const std::string index = unhex(kGoldenIndex);
  EXPECT_THAT(message(index.substr(0, 81), ""),
              AllOf(HasSubstr("81 bytes"), HasSubstr("2 sequences and 3")));
  EXPECT_THAT(message(index + "++", ""),
              AllOf(HasSubstr("84 bytes"), HasSubstr("make 82")));
  std::string huge = index;
  huge.replace(18, 8, little(-1, 8));
  EXPECT_THAT(message(huge, ""), HasSubstr("18446744073709551615 sequences"));
}

TEST_F(MegatronShard, ChecksEverySequence) {
  std::string index = unhex(kGoldenIndex);
  index.replace(38, 4, little(-2, 4));
  EXPECT_THAT(message(index, unhex(kGoldenBin)),
              HasSubstr("sequence 1 has -2 tokens"));
  index = unhex(kGoldenIndex);
  index.replace(50, 8, little(4, 8));
  EXPECT_THAT(message(index, unhex(kGoldenBin)),
              AllOf(HasSubstr("at byte 4;"), HasSubstr("begin at byte 6")));
}

TEST_F(MegatronShard, ChecksEveryDocument) {
  const std::string bin = unhex(kGoldenBin);
  const auto with = [](std::size_t document, std::int64_t border) {
    return unhex(kGoldenIndex).replace(58 + 8 * document, 8, little(border, 8));
  };
  EXPECT_THAT(message(with(0, 1), bin),
              AllOf(HasSubstr("border 0 is 1"), HasSubstr("from 0 to 2")));
  EXPECT_THAT(message(with(1, 3), bin), HasSubstr("border 1 is 3"));
  EXPECT_THAT(message(with(2, 0), bin), HasSubstr("border 2 is 0"));
  EXPECT_THAT(
      message(with(2, 1), bin),
      HasSubstr("the last of 3 document borders is at sequence 1 of 2"));
}

TEST_F(MegatronShard, ComparesTheSizeOfTheTokensWithTheIndex) {
  EXPECT_THAT(message(unhex(kGoldenIndex), "12345678"),
              AllOf(HasSubstr("x.bin has 8 bytes"), HasSubstr("says 10")));
  EXPECT_THAT(message(unhex(kGoldenIndex), "123456789012"),
              AllOf(HasSubstr("x.bin has 12 bytes"), HasSubstr("says 10")));
}

TEST(LlmcShard, WritesAndReadsTwoBytesUpToAVocabularyOf65536) {
  const TestFolder folder;
  const std::string path = folder.path("t.bin");

  write_token_shard(path, std::vector<std::int32_t>{1, 50256, 65535}, 65536);

  EXPECT_EQ(read_file(path), unhex("88d834010100000003000000") +
                                 std::string(1012, '\0') +
                                 unhex("010050c4ffff"));
  EXPECT_EQ(read_file(path).substr(0, 1024), llmc_header(20240520, 1, 3));
  EXPECT_THAT(tokens_of(TokenShards(path, {"auto", 65536, 2}), 0),
              ElementsAre(1, 50256, 65535));
}

TEST(LlmcShard, WritesAndReadsFourBytesBeyond) {
  const TestFolder folder;
  const std::string path = folder.path("t.bin");

  write_token_shard(path, std::vector<std::int32_t>{1, 65536}, 65537);

  EXPECT_EQ(read_file(path),
            llmc_header(20240801, 7, 2) + unhex("0100000000000100"));
  EXPECT_THAT(tokens_of(TokenShards(path, {"llmc", 65537, 1}), 0),
              ElementsAre(1, 65536));
}

TEST(LlmcShard, WritesNothingThatCannotBeWhole) {
  const TestFolder folder;
  const std::vector<std::int32_t> tokens = {1, 9, -1};

  EXPECT_THAT(
      message_of([&] { write_token_shard(folder.path("t"), tokens, 9); }),
      HasSubstr("token 9 at position 1 is not in a vocabulary of 9"));
  EXPECT_THAT(
      message_of([&] { write_token_shard(folder.path("t"), tokens, 10); }),
      HasSubstr("token -1 at position 2"));
  std::filesystem::create_directory(folder.path("taken"));
  EXPECT_THAT(message_of([&] {
                write_token_shard(folder.path("taken"), {{1, 2}}, 10);
              }),
              HasSubstr("taken cannot be written: "));
  EXPECT_THAT(message_of([&] {
                write_token_shard(folder.path("no/t"), {{1, 2}}, 10);
              }),
              HasSubstr("No such file or directory"));
  EXPECT_THAT(folder.names(), ElementsAre("taken"));
}

TEST(LlmcShard, RefusesAForeignHeader) {
  const TestFolder folder;
  const auto message = [&](const std::string& bytes) {
    return open_message(folder.write("t.bin", bytes), {"llmc"});
  };

  EXPECT_THAT(message("abc"), AllOf(HasSubstr("t.bin has 3 bytes"),
                                    HasSubstr("a header of 1024")));
  EXPECT_THAT(message(llmc_header(20240522, 1, 0)),
              AllOf(HasSubstr("20240522, version 1;"),
                    HasSubstr("20240520, version 1, or 20240801, version 7")));
  EXPECT_THAT(message(llmc_header(20240801, 1, 0)),
              HasSubstr("20240801, version 1;"));
  EXPECT_THAT(open_message(folder.write("t.bin", llmc_header(20240520, 7, 0))),
              HasSubstr("20240520, version 7;"));
}

TEST(LlmcShard, ComparesTheSizeWithTheHeader) {
  const TestFolder folder;
  const std::string cut = llmc_header(20240520, 1, 100) + "1234";

  EXPECT_THAT(open_message(folder.write("t.bin", cut)),
              AllOf(HasSubstr("1028 bytes"), HasSubstr("100 tokens"),
                    HasSubstr("1224")));
  EXPECT_THAT(open_message(folder.write("t.bin", llmc_header(20240520, 1, -1))),
              HasSubstr("-1 tokens"));
}

TEST(NanogptShard, ReadsTokensWithoutAHeader) {
  const TestFolder folder;
  const std::string path = folder.write("t.bin", counted(300, 4, 2));

  EXPECT_THAT(tokens_of(TokenShards(path, {"auto", 304, 3}), 0),
              ElementsAre(300, 301, 302, 303));
  EXPECT_THAT(open_message(path, {"auto", 303, 3}),
              AllOf(HasSubstr(path), HasSubstr("token 303 at position 3"),
                    HasSubstr("a vocabulary of 303")));
}

TEST(NanogptShard, RefusesAnOddSize) {
  const TestFolder folder;

  EXPECT_THAT(open_message(folder.write("t.bin", "12345")),
              AllOf(HasSubstr("t.bin has 5 bytes"), HasSubstr("two bytes")));
}

TEST(TokenShards, RefusesLessThanOneSample) {
  const TestFolder folder;
  const std::string path = folder.write("t.bin", counted(0, 8, 2));

  EXPECT_EQ(open_message(path, {"auto", 8, 7}), "nothing was thrown");
  EXPECT_THAT(open_message(path, {"auto", 8, 8}),
              AllOf(HasSubstr(path + " has 8 tokens"),
                    HasSubstr("data.sequence = 8 takes 9")));
  EXPECT_THAT(open_message(folder.write("empty.bin", "")),
              AllOf(HasSubstr("0 tokens"), HasSubstr("takes 2")));
}

TEST(TokenShards, RefusesWhatIsNotThere) {
  const TestFolder folder;
  const std::string path = folder.path("none.bin");

  for (const char* format : {"auto", "llmc", "nanogpt"}) {
    EXPECT_THAT(open_message(path, {format}),
                AllOf(HasSubstr(path), HasSubstr("No such file")));
  }
  EXPECT_THAT(open_message(path, {"megatron"}),
              AllOf(HasSubstr("none.idx"), HasSubstr("No such file")));
  EXPECT_THAT(open_message(folder.path()),
              HasSubstr("no token shards are at " + folder.path()));
  EXPECT_THAT(open_message(folder.path("*.bin")),
              HasSubstr("(a pattern that nothing matches)"));
  EXPECT_THAT(open_message("/dev/null"), HasSubstr("not a regular file"));
  EXPECT_THAT(open_message(std::string(5000, 'x')), HasSubstr("too long"));
}

TEST(TokenShards, RefusesOptionsThatMakeNoSense) {
  const TestFolder folder;
  const std::string path = folder.write("t.bin", counted(0, 8, 2));

  EXPECT_THAT(
      open_message(path, {"npy"}),
      AllOf(HasSubstr("\"npy\""), HasSubstr("auto, llmc, nanogpt, megatron")));
  EXPECT_THAT(open_message(path, {"auto", 8, 0}),
              HasSubstr("data.sequence = 0 is not from 1"));
  EXPECT_THAT(open_message(path, {"auto", 8, INT64_MAX}),
              HasSubstr("data.sequence = 9223372036854775807 is not"));
  EXPECT_THAT(open_message(path, {"auto", -1, 1}),
              HasSubstr("a vocabulary of -1 is not from 0 to 2147483648"));
}

TEST(TokenShards, AreReadInOrderOfName) {
  const TestFolder folder;
  folder.write("s_2.bin", counted(20, 3, 2));
  folder.write("s_10.bin", counted(10, 2, 2));
  folder.write("s_1.txt", "odd");
  folder.write("m.idx", megatron_index(4, 4, {4}));
  folder.write("m.bin", counted(30, 4, 4));

  for (const std::string& path : {folder.path(), folder.path("*.bin"),
                                  folder.path("[ms]*.[bi][id][nx]")}) {
    const TokenShards shards(path, {"auto", 40, 1});
    ASSERT_EQ(shards.shards(), 3) << path;
    EXPECT_EQ(shards.tokens(), 9);
    EXPECT_THAT(tokens_of(shards, 0), ElementsAre(30, 31, 32, 33));
    EXPECT_THAT(tokens_of(shards, 1), ElementsAre(10, 11));
    EXPECT_THAT(tokens_of(shards, 2), ElementsAre(20, 21, 22));
  }
}

TEST(TokenShards, TakeANameThatLooksLikeAPattern) {
  const TestFolder folder;
  const std::string path = folder.write("t[1]*.bin", counted(0, 2, 2));

  EXPECT_EQ(TokenShards(path, {}).tokens(), 2);
}

TEST(TokenShards, ReadOnlyWhatIsThere) {
  const TestFolder folder;
  const TokenShards shards(folder.write("t.bin", counted(5, 8, 2)), {});
  std::int32_t two[2];

  shards.read(0, 6, 2, two);
  EXPECT_THAT(two, ElementsAre(11, 12));
  EXPECT_THAT(message_of([&] { shards.read(0, 7, 2, two); }),
              AllOf(HasSubstr("tokens 7 to 9"), HasSubstr("which has 8")));
  EXPECT_THAT(message_of([&] { shards.read(0, -1, 2, two); }),
              HasSubstr("tokens -1 to 1"));
}

TEST(TokenShards, StayReadableAfterAMove) {
  const TestFolder folder;
  TokenShards first(folder.write("t.bin", counted(5, 2, 2)), {});

  const TokenShards second(std::move(first));

  EXPECT_THAT(tokens_of(second, 0), ElementsAre(5, 6));
}

}  // namespace
}  // namespace cairn
