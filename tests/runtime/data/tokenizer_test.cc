#include "runtime/data/tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/data/pretokenizer.h"
#include "runtime/error.h"

namespace cairn {
namespace {

const std::string kData = std::string(CAIRN_SOURCE_DIR) + "/examples/data/";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::unique_ptr<Tokenizer> gpt2() {
  return make_gpt2_tokenizer(kData + "vocab.json", kData + "merges.txt");
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  }
  return "no error";
}

using Case = std::pair<std::string, std::vector<std::int32_t>>;

// Texts with the ids that GPT-2's own encoder gives.
std::vector<Case> golden_cases() {
  const auto json =
      nlohmann::json::parse(read(kData + "gpt2_golden_tokens.json"));
  std::vector<Case> cases;
  for (const auto& each : json["cases"]) {
    cases.emplace_back(each["text"], each["ids"]);
  }
  return cases;
}

TEST(Gpt2Tokenizer, GivesTheReferenceEncodersTokens) {
  const auto tokenizer = gpt2();
  int compared = 0;
  for (const auto& [text, ids] : golden_cases()) {
    EXPECT_EQ(tokenizer->encode(text), ids) << text;
    EXPECT_EQ(tokenizer->decode(ids), text);
    ++compared;
  }

  EXPECT_EQ(compared, 34);
  EXPECT_EQ(tokenizer->vocab_size(), 50257);
}

TEST(Gpt2Tokenizer, CountsTheTokensOfShakespeare) {
  const std::string text = read(kData + "tinyshakespeare.txt");

  const auto tokens = gpt2()->encode(text);

  EXPECT_EQ(tokens.size(), 338025U);
  const std::vector<std::int32_t> first(tokens.begin(), tokens.begin() + 10);
  EXPECT_EQ(first, (std::vector<std::int32_t>{5962, 22307, 25, 198, 8421, 356,
                                              5120, 597, 2252, 11}));
}

TEST(Gpt2Tokenizer, EndsOnAMillionEqualLetters) {
  const std::string text(1000000, 'x');
  const auto tokenizer = gpt2();

  const auto tokens = tokenizer->encode(text);

  EXPECT_LT(tokens.size(), text.size());
  EXPECT_EQ(tokenizer->decode(tokens), text);
}

TEST(Gpt2Tokenizer, NamesTheByteWhereATextIsNotUtf8) {
  EXPECT_NE(message_of([] { gpt2()->encode("good \xff bad"); }).find("byte 5"),
            std::string::npos);
}

TEST(Gpt2Tokenizer, EndsOnAMillionBlanksAndAMillionSigns) {
  const auto tokenizer = gpt2();
  for (const char sign : {' ', '!', '\n'}) {
    const std::string text = std::string(1000000, sign) + "end";
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

// U+180E is no White_Space, so it joins the signs; PCRE2's \s would take it.
TEST(PreTokenizer, KeepsTheVowelSeparatorWithTheSigns) {
  std::vector<std::string> pieces;
  PreTokenizer().split(
      "a \xe1\xa0\x8e"
      "b  c\xc2\xa0",
      [&](auto piece) { pieces.emplace_back(piece); });

  EXPECT_EQ(pieces, (std::vector<std::string>{"a", " \xe1\xa0\x8e", "b", " ",
                                              " c", "\xc2\xa0"}));
}

TEST(Gpt2Tokenizer, TakesSpecialTokensInATextAsPlainText) {
  const auto tokens = gpt2()->encode("<|endoftext|>");

  EXPECT_GT(tokens.size(), 1U);
  EXPECT_EQ(gpt2()->decode(std::vector<std::int32_t>{50256}), "<|endoftext|>");
}

TEST(Gpt2Tokenizer, RefusesATokenOutsideItsVocabulary) {
  EXPECT_NE(message_of([] {
              gpt2()->decode(std::vector<std::int32_t>{50257});
            }).find("token 50257"),
            std::string::npos);
}

// What make_gpt2_tokenizer says of GPT-2's vocabulary with these merges; the
// merges are in a file "merges.txt".
std::string refusal_of_merges(const std::string& merges) {
  char name[] = "/tmp/cairn-merges-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name);
  const std::string path = (folder / "merges.txt").string();
  std::ofstream(path, std::ios::binary) << merges;
  const std::string message =
      message_of([&] { make_gpt2_tokenizer(kData + "vocab.json", path); });
  std::filesystem::remove_all(folder);
  return message;
}

TEST(Gpt2Tokenizer, NamesTheLineOfABadMerge) {
  const std::string head = "#version: 0.2\nh e\n";
  for (const char* line : {"alone", "a b c", "x \x01", "e \xff", "h e"}) {
    const std::string message = refusal_of_merges(head + line + "\n");
    EXPECT_NE(message.find("merges.txt line 3"), std::string::npos) << message;
  }
}

TEST(Gpt2Tokenizer, RefusesMergesThatDoNotFillTheVocabulary) {
  const std::string message = refusal_of_merges("#version: 0.2\nh e\n");

  EXPECT_NE(message.find("merges.txt holds 1 merges"), std::string::npos)
      << message;
  EXPECT_NE(message.find("needs 50000"), std::string::npos) << message;
}

TEST(Gpt2Tokenizer, NamesTheFileThatIsNotAVocabulary) {
  const std::string message = message_of(
      [] { make_gpt2_tokenizer(kData + "merges.txt", kData + "merges.txt"); });

  EXPECT_NE(message.find("merges.txt is not a vocabulary"), std::string::npos)
      << message;
}

TEST(CharTokenizer, HasTheDistinctCharactersOfItsTextInOrder) {
  const auto tokenizer = make_char_tokenizer("bca\xc3\xa9 ab");

  EXPECT_EQ(tokenizer->vocab_size(), 5);
  EXPECT_EQ(tokenizer->encode(" abc\xc3\xa9"),
            (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(tokenizer->decode(std::vector<std::int32_t>{4, 1}),
            "\xc3\xa9"
            "a");
}

TEST(CharTokenizer, FindsSixtyFiveCharactersInShakespeare) {
  const std::string text = read(kData + "tinyshakespeare.txt");
  const auto tokenizer = make_char_tokenizer(text);

  EXPECT_EQ(tokenizer->vocab_size(), 65);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(CharTokenizer, NamesACharacterItDoesNotHave) {
  const std::string message =
      message_of([] { make_char_tokenizer("abc")->encode("abz"); });

  EXPECT_NE(message.find("'z' at byte 2"), std::string::npos) << message;
}

TEST(ByteTokenizer, TakesEveryByte) {
  std::string text;
  for (int b = 0; b < 256; ++b) text += static_cast<char>(b);
  const auto tokenizer = make_byte_tokenizer();

  EXPECT_EQ(tokenizer->encode(text).back(), 255);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

}  // namespace
}  // namespace cairn
