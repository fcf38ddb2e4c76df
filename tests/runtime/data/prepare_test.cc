#include "runtime/data/prepare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

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

  std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder_),
                         fs::directory_iterator());
  }

  nlohmann::json sidecar(const std::string& shard) const {
    std::ifstream in(path(shard + ".json"));
    return nlohmann::json::parse(in);
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

  options_.inputs = {folder_.string()};
  EXPECT_NE(refusal().find("cannot be read"), std::string::npos);
}

TEST_F(Prepare, LeavesNothingWhereItCannotWrite) {
  options_.output = path("no/such/folder/train.bin");

  EXPECT_NE(refusal().find("no/such/folder/train.bin"), std::string::npos);
  EXPECT_EQ(files(), 1);
}

TEST_F(Prepare, LeavesNoTrainingShardWhereValidationCannotBeWritten) {
  options_.valid_output = path("no/such/folder/valid.bin");
  EXPECT_NE(refusal().find("no/such/folder/valid.bin"), std::string::npos);
  EXPECT_EQ(files(), 1);

  fs::create_directory(path("folder"));
  options_.valid_output = path("folder");
  EXPECT_NE(refusal().find("is a folder"), std::string::npos);
  EXPECT_EQ(files(), 2);
}

TEST_F(Prepare, DoesNotWriteOverAnInputOrTheOtherOutput) {
  options_.output = path("./text.txt");
  EXPECT_NE(refusal().find("an input or the other output"), std::string::npos);

  options_.output = options_.valid_output;
  EXPECT_NE(refusal().find("an input or the other output"), std::string::npos);
  EXPECT_EQ(files(), 1);
}

TEST_F(Prepare, LeavesShardsAndSidecarsAndNothingElse) {
  const PrepareReport report = prepare_tokens(options_);

  EXPECT_EQ(files(), 5);
  for (const char* shard : {"train.bin", "valid.bin"}) {
    EXPECT_EQ(sidecar(shard)["tokenizer"], "char");
    EXPECT_EQ(sidecar(shard)["vocab_size"], 3);
    EXPECT_EQ(sidecar(shard)["characters"], "\nab");
    EXPECT_EQ(sidecar(shard)["unigram_entropy"], report.unigram_entropy);
  }
  EXPECT_EQ(sidecar("train.bin")["tokens"], 16);
  EXPECT_EQ(sidecar("valid.bin")["tokens"], 3);
}

TEST_F(Prepare, ReadsGpt2TokensBackBySidecar) {
  const std::string data = std::string(CAIRN_SOURCE_DIR) + "/examples/data/";
  options_.tokenizer = "gpt2";
  options_.vocab = data + "vocab.json";
  options_.merges = data + "merges.txt";

  const PrepareReport report = prepare_tokens(options_);

  EXPECT_EQ(report.vocab, 50257);
  EXPECT_TRUE(fs::path(sidecar("train.bin")["vocab"]).is_absolute());
  const auto tokenizer = tokenizer_of(path("train.bin"));
  EXPECT_EQ(tokenizer->name(), "gpt2");
  EXPECT_EQ(static_cast<std::int64_t>(
                tokenizer->encode("aab\nabb\naaa\nbbb\n").size()),
            report.train_tokens);
}

TEST_F(Prepare, TakesTheLineBorderBeforeALongLastLine) {
  std::ofstream(path("text.txt")) << "b\nabababababa\n";

  prepare_tokens(options_);

  EXPECT_EQ(text_of("train.bin"), "b\n");
  EXPECT_EQ(text_of("valid.bin"), "abababababa\n");
}

TEST_F(Prepare, CutsATextOfOneLineBetweenCharacters) {
  std::ofstream(path("text.txt")) << "\xe2\x82\xac\xe2\x82\xac"
                                     "a";
  options_.valid_fraction = 0.4;  // from byte 4, inside the second character

  const PrepareReport report = prepare_tokens(options_);

  EXPECT_EQ(report.train_tokens + report.valid_tokens, 3);
}

TEST_F(Prepare, CountsCharactersNotBytes) {
  std::ofstream(path("text.txt")) << "\xc3\xa9\n\xc3\xa9\n\xc3\xa9\n";

  const PrepareReport report = prepare_tokens(options_);

  EXPECT_EQ(report.characters, 6);
  EXPECT_GE(report.seconds, 0);
  std::ostringstream out;
  print(report, out);
  EXPECT_NE(out.str().find("6 characters"), std::string::npos) << out.str();
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

  for (const char* broken :
       {"", "[", "[]", R"({"tokenizer": 3})", R"({"tokenizer": "words"})",
        R"({"tokenizer": "char"})",
        R"({"tokenizer": "byte", "vocab_size": 255})"}) {
    std::ofstream(shard + ".json") << broken;
    EXPECT_THROW(tokenizer_of(shard), Error) << broken;
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace cairn
