#include "runtime/data/tokenizer.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "runtime/data/utf8.h"
#include "runtime/error.h"

namespace cairn {
namespace {

std::int32_t checked(std::int32_t token, std::int64_t vocab) {
  if (token >= 0 && token < vocab) return token;
  throw Error(Code::kBadArgument, "token " + std::to_string(token) +
                                      " is not in a vocabulary of " +
                                      std::to_string(vocab));
}

class ByteTokenizer final : public Tokenizer {
 public:
  std::string name() const override { return "byte"; }
  std::int64_t vocab_size() const override { return 256; }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> tokens;
    tokens.reserve(text.size());
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }

  std::string decode(std::span<const std::int32_t> tokens) const override {
    std::string text;
    for (const std::int32_t token : tokens) {
      text += static_cast<char>(checked(token, 256));
    }
    return text;
  }
};

class CharTokenizer final : public Tokenizer {
 public:
  explicit CharTokenizer(std::string_view characters) {
    std::set<std::uint32_t> distinct;
    for (std::size_t at = 0; at < characters.size();) {
      distinct.insert(next_code_point(characters, at));
    }
    characters_.assign(distinct.begin(), distinct.end());
    for (std::size_t i = 0; i < characters_.size(); ++i) {
      token_of_[characters_[i]] = static_cast<std::int32_t>(i);
    }
  }

  std::string name() const override { return "char"; }
  std::int64_t vocab_size() const override {
    return static_cast<std::int64_t>(characters_.size());
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> tokens;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      const auto found = token_of_.find(next_code_point(text, at));
      if (found == token_of_.end()) {
        throw Error(
            Code::kBadArgument,
            "the character '" + std::string(text.substr(begin, at - begin)) +
                "' at byte " + std::to_string(begin) + " is not among the " +
                std::to_string(vocab_size()) + " of this vocabulary");
      }
      tokens.push_back(found->second);
    }
    return tokens;
  }

  std::string decode(std::span<const std::int32_t> tokens) const override {
    std::string text;
    for (const std::int32_t token : tokens) {
      const auto index = static_cast<std::size_t>(checked(token, vocab_size()));
      append_utf8(text, characters_[index]);
    }
    return text;
  }

 private:
  std::vector<std::uint32_t> characters_;
  std::unordered_map<std::uint32_t, std::int32_t> token_of_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_tokenizer() {
  return std::make_unique<ByteTokenizer>();
}

std::unique_ptr<Tokenizer> make_char_tokenizer(std::string_view characters) {
  return std::make_unique<CharTokenizer>(characters);
}

std::string characters_of(std::string_view text) {
  std::set<std::uint32_t> distinct;
  for (std::size_t at = 0; at < text.size();) {
    distinct.insert(next_code_point(text, at));
  }
  std::string characters;
  for (const std::uint32_t c : distinct) append_utf8(characters, c);
  return characters;
}

}  // namespace cairn
