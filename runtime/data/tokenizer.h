// Text to tokens and back: bytes, characters, and GPT-2's byte-level BPE.
//
// Threads: a tokenizer may be used from one thread at a time, even to encode,
// which is const but caches.
// Errors: kBadArgument, naming file and line or the byte offset in the text.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // "byte", "char" or "gpt2".
  virtual std::string name() const = 0;
  virtual std::int64_t vocab_size() const = 0;

  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const std::int32_t> tokens) const = 0;
};

// A token a byte; the vocabulary is 256.
std::unique_ptr<Tokenizer> make_byte_tokenizer();

// A token a Unicode code point of `characters`, numbered in ascending order,
// each once however often it occurs there. `characters` is UTF-8.
std::unique_ptr<Tokenizer> make_char_tokenizer(std::string_view characters);

// The distinct code points of `text`, ascending, as UTF-8.
std::string characters_of(std::string_view text);

// Byte-level BPE (Radford et al., "Language models are unsupervised multitask
// learners", 2019) from GPT-2's own files: vocab.json maps tokens to ids,
// merges.txt lists merges by rank. Special tokens in a text are plain text.
std::unique_ptr<Tokenizer> make_gpt2_tokenizer(const std::string& vocab_path,
                                               const std::string& merges_path);

}  // namespace cairn
