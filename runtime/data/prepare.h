// Text files to token shards: tokenized, cut into training and validation, and
// described by a sidecar (docs/formats.md) from which the tokenizer comes back.

#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "runtime/data/tokenizer.h"

namespace cairn {

struct PrepareOptions {
  std::string tokenizer;  // "gpt2", "byte" or "char"
  std::string vocab;      // gpt2: vocab.json
  std::string merges;     // gpt2: merges.txt
  std::vector<std::string> inputs;
  std::string output;
  std::string valid_output;     // "": everything is for training
  double valid_fraction = 0.1;  // of the text, its end, from a line border
};

struct PrepareReport {
  std::string tokenizer;
  std::int64_t vocab = 0;
  std::int64_t characters = 0;  // of text, as UTF-8
  std::int64_t train_tokens = 0;
  std::int64_t valid_tokens = 0;
  // What guessing by frequency costs, in nats a token: the cross-entropy of the
  // validation tokens (of the training tokens without them) under the training
  // frequencies, each count raised by one.
  double unigram_entropy = 0;
  double seconds = 0;
};

// Throws kBadArgument, with a sentence, for whatever cannot be read, encoded or
// written. Shards and sidecars take their names once all of them are written.
PrepareReport prepare_tokens(const PrepareOptions& options);

void print(const PrepareReport& report, std::ostream& out);

// The tokenizer that the sidecar of a shard (SHARD.json) names; null if there
// is no sidecar. Throws kBadArgument, naming it, if it is broken.
std::unique_ptr<Tokenizer> tokenizer_of(const std::string& shard_path);

}  // namespace cairn
