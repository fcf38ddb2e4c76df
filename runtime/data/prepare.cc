#include "runtime/data/prepare.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>
#include <system_error>

#include "runtime/data/write_token_shard.h"
#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(Code::kBadArgument, message);
}

std::string read_texts(const std::vector<std::string>& paths) {
  std::ostringstream text;
  for (const std::string& path : paths) {
    std::ifstream in(path, std::ios::binary);
    std::error_code ignored;
    if (!in || fs::is_directory(path, ignored)) {
      refuse("the text " + path + " cannot be read");
    }
    if (in.peek() == std::ifstream::traits_type::eof()) {
      refuse("the text " + path + " is empty");
    }
    text << in.rdbuf();
  }
  return text.str();
}

bool same_place(const std::string& a, const std::string& b) {
  return fs::absolute(a).lexically_normal() ==
         fs::absolute(b).lexically_normal();
}

void check_paths(const PrepareOptions& options) {
  require(!options.inputs.empty(), "data prepare needs a text (--input)");
  require(!options.output.empty(), "data prepare needs a place (--output)");
  std::vector<std::string> taken = options.inputs;
  for (const std::string& path : {options.output, options.valid_output}) {
    if (path.empty()) continue;
    for (const std::string& other : taken) {
      if (!same_place(path, other)) continue;
      refuse("the tokens cannot go to " + path +
             ", which is an input or the other output");
    }
    taken.push_back(path);
  }
}

std::unique_ptr<Tokenizer> make_tokenizer(const PrepareOptions& options,
                                          const std::string& text) {
  if (options.tokenizer == "byte") return make_byte_tokenizer();
  if (options.tokenizer == "char") return make_char_tokenizer(text);
  if (options.tokenizer == "gpt2") {
    if (options.vocab.empty() || options.merges.empty()) {
      refuse(
          "the gpt2 tokenizer needs --vocab vocab.json and --merges "
          "merges.txt");
    }
    return make_gpt2_tokenizer(options.vocab, options.merges);
  }
  refuse("there is no tokenizer \"" + options.tokenizer +
         "\"; there are gpt2, byte, char");
}

// The line border at or after `at`; else the last one before; else, in a text
// of one line, the next border of a character.
std::size_t border_near(std::string_view text, std::size_t at) {
  const std::size_t inner = text.size() - 1;  // no border behind the last byte
  const std::size_t after = text.find('\n', at == 0 ? 0 : at - 1);
  if (after < inner) return after + 1;
  const std::size_t before = text.substr(0, inner).rfind('\n');
  if (before != std::string_view::npos) return before + 1;
  while (at < text.size() &&
         (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) {
    ++at;
  }
  return at;
}

// Where the validation text begins.
std::size_t border(const std::string& text, const PrepareOptions& options) {
  if (options.valid_output.empty()) return text.size();
  if (!(options.valid_fraction > 0 && options.valid_fraction < 1)) {
    refuse("--valid-fraction " + std::to_string(options.valid_fraction) +
           " is not between 0 and 1");
  }
  const auto at = static_cast<std::size_t>(static_cast<double>(text.size()) *
                                           (1 - options.valid_fraction));
  const std::size_t cut = border_near(text, at);
  if (cut == 0 || cut == text.size()) {
    refuse("a text of " + std::to_string(text.size()) +
           " bytes leaves nothing for one side of a split at " +
           std::to_string(options.valid_fraction));
  }
  return cut;
}

double cross_entropy(const std::vector<std::int32_t>& train,
                     const std::vector<std::int32_t>& valid,
                     std::int64_t vocab) {
  std::vector<double> counts(static_cast<std::size_t>(vocab), 1.0);
  for (const std::int32_t token : train) ++counts[token];
  const double total =
      static_cast<double>(train.size()) + static_cast<double>(vocab);
  double sum = 0;
  for (const std::int32_t token : valid) {
    sum -= std::log(counts[token] / total);
  }
  return sum / static_cast<double>(valid.size());
}

std::int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  });
}

// Files written beside their places. They take their names together, or, if
// that does not come about, are removed.
class StagedFiles {
 public:
  StagedFiles() = default;
  StagedFiles(const StagedFiles&) = delete;
  StagedFiles& operator=(const StagedFiles&) = delete;

  ~StagedFiles() {
    std::error_code ignored;
    for (const std::string& path : paths_) fs::remove(staged(path), ignored);
  }

  // Where to write what is to be at `path`.
  std::string add(const std::string& path) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
      refuse(path + " is a folder; name a file to write");
    }
    paths_.push_back(path);
    return staged(path);
  }

  void commit() {
    for (const std::string& path : paths_) {
      std::error_code error;
      fs::rename(staged(path), path, error);
      if (error) refuse(path + " cannot be written: " + error.message());
    }
    paths_.clear();
  }

 private:
  static std::string staged(const std::string& path) { return path + ".part"; }

  std::vector<std::string> paths_;
};

void write_json(const std::string& path, const nlohmann::json& content) {
  std::string text;
  try {
    text = content.dump(2);
  } catch (const nlohmann::json::exception&) {
    refuse("the sidecar " + path + " cannot hold a path that is not UTF-8");
  }
  std::ofstream out(path, std::ios::binary);
  out << text << "\n";
  out.flush();
  if (!out) refuse("the sidecar " + path + " cannot be written");
}

void stage(StagedFiles& files, const std::string& shard,
           const std::vector<std::int32_t>& tokens, nlohmann::json content) {
  content["tokens"] = tokens.size();
  write_token_shard(files.add(shard), tokens, content.at("vocab_size"));
  write_json(files.add(shard + ".json"), content);
}

nlohmann::json sidecar(const PrepareOptions& options, Tokenizer& tokenizer,
                       const std::string& text) {
  nlohmann::json content;
  content["tokenizer"] = tokenizer.name();
  content["vocab_size"] = tokenizer.vocab_size();
  if (options.tokenizer == "char") {
    content["characters"] = characters_of(text);
  }
  if (options.tokenizer == "gpt2") {
    content["vocab"] = fs::absolute(options.vocab).string();
    content["merges"] = fs::absolute(options.merges).string();
  }
  return content;
}

// What a sidecar says, with a sentence for what it does not.
class Sidecar {
 public:
  Sidecar(std::string path, std::istream& in)
      : path_(std::move(path)),
        content_(nlohmann::json::parse(in, nullptr, false)) {
    if (!content_.is_object()) fail("is not a JSON object");
  }

  [[noreturn]] void fail(const std::string& what) const {
    refuse("the sidecar " + path_ + " " + what +
           "; make it again with data prepare");
  }

  std::string text(const char* key) const {
    const auto found = content_.find(key);
    if (found == content_.end() || !found->is_string()) {
      fail("has no text under \"" + std::string(key) + "\"");
    }
    return *found;
  }

  void check_vocab(std::int64_t vocab) const {
    const auto found = content_.find("vocab_size");
    if (found != content_.end() && *found != vocab) {
      fail("gives a vocab_size of " + found->dump() +
           ", but its tokenizer has " + std::to_string(vocab));
    }
  }

 private:
  std::string path_;
  nlohmann::json content_;
};

std::unique_ptr<Tokenizer> make_tokenizer(const Sidecar& sidecar) {
  const std::string name = sidecar.text("tokenizer");
  if (name == "byte") return make_byte_tokenizer();
  if (name == "char") return make_char_tokenizer(sidecar.text("characters"));
  if (name == "gpt2") {
    return make_gpt2_tokenizer(sidecar.text("vocab"), sidecar.text("merges"));
  }
  sidecar.fail("names the tokenizer \"" + name +
               "\"; there are gpt2, byte, char");
}

}  // namespace

PrepareReport prepare_tokens(const PrepareOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  check_paths(options);
  const std::string text = read_texts(options.inputs);
  const auto tokenizer = make_tokenizer(options, text);
  const std::size_t cut = border(text, options);
  const std::string_view all = text;
  const auto train = tokenizer->encode(all.substr(0, cut));
  const auto valid = tokenizer->encode(all.substr(cut));

  PrepareReport report;
  report.tokenizer = tokenizer->name();
  report.vocab = tokenizer->vocab_size();
  report.characters = count_characters(text);
  report.train_tokens = static_cast<std::int64_t>(train.size());
  report.valid_tokens = static_cast<std::int64_t>(valid.size());
  report.unigram_entropy =
      cross_entropy(train, valid.empty() ? train : valid, report.vocab);

  nlohmann::json content = sidecar(options, *tokenizer, text);
  content["unigram_entropy"] = report.unigram_entropy;
  StagedFiles files;
  stage(files, options.output, train, content);
  if (!valid.empty()) stage(files, options.valid_output, valid, content);
  files.commit();
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  return report;
}

void print(const PrepareReport& report, std::ostream& out) {
  out << report.characters << " characters of text, " << report.tokenizer
      << " tokens of a vocabulary of " << report.vocab << ": "
      << report.train_tokens << " for training, " << report.valid_tokens
      << " for validation; unigram entropy " << report.unigram_entropy
      << " nats a token; " << report.seconds << " s\n";
}

std::unique_ptr<Tokenizer> tokenizer_of(const std::string& shard_path) {
  const std::string path = shard_path + ".json";
  std::ifstream in(path, std::ios::binary);
  if (!in) return nullptr;
  const Sidecar sidecar(path, in);
  auto tokenizer = make_tokenizer(sidecar);
  sidecar.check_vocab(tokenizer->vocab_size());
  return tokenizer;
}

}  // namespace cairn
