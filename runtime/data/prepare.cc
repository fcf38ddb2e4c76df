#include "runtime/data/prepare.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>

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
    if (!in) refuse("the text " + path + " cannot be read");
    if (fs::file_size(path) == 0) refuse("the text " + path + " is empty");
    text << in.rdbuf();
  }
  return text.str();
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

// Where the validation text begins: the line border at or after its share.
std::size_t border(const std::string& text, const PrepareOptions& options) {
  if (options.valid_output.empty()) return text.size();
  if (!(options.valid_fraction > 0 && options.valid_fraction < 1)) {
    refuse("--valid-fraction " + std::to_string(options.valid_fraction) +
           " is not between 0 and 1");
  }
  const auto at = static_cast<std::size_t>(static_cast<double>(text.size()) *
                                           (1 - options.valid_fraction));
  const std::size_t line = text.find('\n', at);
  const std::size_t cut = line == std::string::npos ? at : line + 1;
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

void write_sidecar(const std::string& shard, const nlohmann::json& content) {
  const std::string path = shard + ".json";
  const std::string temporary = path + ".tmp";
  {
    std::ofstream out(temporary, std::ios::binary);
    out << content.dump(2) << "\n";
    out.flush();
    if (!out) {
      fs::remove(temporary);
      refuse("the sidecar " + path + " cannot be written");
    }
  }
  fs::rename(temporary, path);
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

}  // namespace

PrepareReport prepare_tokens(const PrepareOptions& options) {
  require(!options.inputs.empty(), "data prepare needs a text (--input)");
  const std::string text = read_texts(options.inputs);
  const auto tokenizer = make_tokenizer(options, text);
  const std::size_t cut = border(text, options);
  const std::string_view all = text;
  const auto train = tokenizer->encode(all.substr(0, cut));
  const auto valid = tokenizer->encode(all.substr(cut));

  PrepareReport report;
  report.tokenizer = tokenizer->name();
  report.vocab = tokenizer->vocab_size();
  report.characters = static_cast<std::int64_t>(text.size());
  report.train_tokens = static_cast<std::int64_t>(train.size());
  report.valid_tokens = static_cast<std::int64_t>(valid.size());
  report.unigram_entropy =
      cross_entropy(train, valid.empty() ? train : valid, report.vocab);

  nlohmann::json content = sidecar(options, *tokenizer, text);
  content["unigram_entropy"] = report.unigram_entropy;
  content["tokens"] = report.train_tokens;
  write_token_shard(options.output, train, report.vocab);
  write_sidecar(options.output, content);
  if (!valid.empty()) {
    content["tokens"] = report.valid_tokens;
    write_token_shard(options.valid_output, valid, report.vocab);
    write_sidecar(options.valid_output, content);
  }
  return report;
}

void print(const PrepareReport& report, std::ostream& out) {
  out << report.characters << " bytes of text, " << report.tokenizer
      << " tokens of a vocabulary of " << report.vocab << ": "
      << report.train_tokens << " for training, " << report.valid_tokens
      << " for validation; unigram entropy " << report.unigram_entropy
      << " nats a token\n";
}

std::unique_ptr<Tokenizer> tokenizer_of(const std::string& shard_path) {
  const std::string path = shard_path + ".json";
  std::ifstream in(path, std::ios::binary);
  if (!in) return nullptr;
  const auto content = nlohmann::json::parse(in, nullptr, false);
  const auto text = [&](const char* key) -> std::string {
    if (content.is_object() && content.contains(key) &&
        content[key].is_string()) {
      return content[key];
    }
    refuse("the sidecar " + path + " has no text under \"" + key +
           "\"; make it again with data prepare");
  };
  const std::string name = text("tokenizer");
  if (name == "byte") return make_byte_tokenizer();
  if (name == "char") return make_char_tokenizer(text("characters"));
  if (name == "gpt2") return make_gpt2_tokenizer(text("vocab"), text("merges"));
  refuse("the sidecar " + path + " names the tokenizer \"" + name +
         "\"; there are gpt2, byte, char");
}

}  // namespace cairn
