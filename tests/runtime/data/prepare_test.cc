#include "runtime/data/prepare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/data/token_shards.h"
#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

class Prepare : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cairn-prepare-XXXXXX";
    folder_ = mkdtemp(name);
    std::ofstream(path("text.txt")) << "aab\nabb\naaa\nbbb\nab\n";
    options_.tokenizer = "char";
    options_.inputs = {path("text.txt")};
    options_.output = path("train.bin");
    options_.valid_output = path("valid.bin");
    options_.valid_fraction = 0.3;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

  // Tokens of a shard as text, by the tokenizer that its sidecar names.
  std::string text_of(const std::string& name) const {
    const TokenShards shards(path(name), {"auto", 3, 1});
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(shards.tokens()));
    shards.read(0, 0, shards.tokens(), tokens.data());
    return tokenizer_of(path(name))->decode(tokens);
  }

  std::string refusal() const {
    try {
      prepare_tokens(options_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kBadArgument);
      return error.message();
    }
    return "no error";
  }

  fs::path folder_;
  PrepareOptions options_;
};

TEST_F(Prepare, SplitsAtALineBorderAndReadsBackAsTheText) {
  const PrepareReport report = prepare_tokens(options_);

  EXPECT_EQ(text_of("train.bin"), "aab\nabb\naaa\nbbb\n");
  EXPECT_EQ(text_of("valid.bin"), "ab\n");
  EXPECT_EQ(report.train_tokens, 16);
  EXPECT_EQ(report.valid_tokens, 3);
  EXPECT_EQ(report.vocab, 3);
}

TEST_F(Prepare, CountsTheUnigramEntropyOfTheValidationText) {
  const PrepareReport report = prepare_tokens(options_);

  // 16 training letters: 6 a, 6 b, 4 line ends, each raised by one.
  const double want =
      -(std::log(7.0 / 19) + std::log(7.0 / 19) + std::log(5.0 / 19)) / 3;
  EXPECT_NEAR(report.unigram_entropy, want, 1e-12);
}

TEST_F(Prepare, KeepsEverythingForTrainingWithoutAValidationOutput) {
  options_.valid_output = "";

  EXPECT_EQ(prepare_tokens(options_).train_tokens, 19);
  EXPECT_FALSE(fs::exists(path("valid.bin")));
}

TEST_F(Prepare, NamesATextThatIsNotThereOrEmpty) {
  options_.inputs = {path("nowhere.txt")};
  EXPECT_NE(refusal().find("nowhere.txt cannot be read"), std::string::npos);

  std::ofstream(path("empty.txt")).close();
  options_.inputs = {path("empty.txt")};
  EXPECT_NE(refusal().find("empty.txt is empty"), std::string::npos);
}

TEST_F(Prepare, LeavesNothingWhereItCannotWrite) {
  options_.output = path("no/such/folder/train.bin");

  EXPECT_NE(refusal().find("no/such/folder/train.bin"), std::string::npos);
  EXPECT_EQ(
      std::distance(fs::directory_iterator(folder_), fs::directory_iterator()),
      1);
}

TEST_F(Prepare, NamesTheTokenizersThereAre) {
  options_.tokenizer = "words";

  EXPECT_NE(refusal().find("there are gpt2, byte, char"), std::string::npos);
}

TEST(TokenizerOf, IsNullWithoutASidecarAndRefusesABrokenOne) {
  char name[] = "/tmp/cairn-sidecar-XXXXXX";
  const fs::path folder = mkdtemp(name);
  const std::string shard = (folder / "x.bin").string();
  EXPECT_EQ(tokenizer_of(shard), nullptr);

  std::ofstream(shard + ".json") << "{\"tokenizer\": 3}";
  EXPECT_THROW(tokenizer_of(shard), Error);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace cairn
