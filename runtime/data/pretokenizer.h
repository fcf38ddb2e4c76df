// Cuts a text into the pieces within which GPT-2's merges happen: contractions,
// words, numbers, runs of other signs, each with the space before it, and
// whitespace. The pattern is that of GPT-2's encoder, matched by PCRE2.

#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace cairn {

class PreTokenizer {
 public:
  PreTokenizer();
  ~PreTokenizer();

  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  // Calls `piece` with each piece in order; together they are the text, which
  // must be UTF-8. Not from two threads at once.
  void split(std::string_view text,
             const std::function<void(std::string_view)>& piece) const;

 private:
  struct Compiled;

  std::unique_ptr<Compiled> compiled_;
};

}  // namespace cairn
