// GPT-2's byte-level BPE.

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <queue>
#include <sstream>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "runtime/data/pretokenizer.h"
#include "runtime/data/tokenizer.h"
#include "runtime/data/utf8.h"
#include "runtime/error.h"

namespace cairn {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(Code::kBadArgument, message);
}

// The vocabulary's files write each byte as a printable character: itself where
// it is one, else the next code point from U+0100 on.
std::array<std::uint32_t, 256> byte_characters() {
  std::array<std::uint32_t, 256> characters{};
  std::uint32_t next = 0x100;
  for (std::uint32_t b = 0; b < 256; ++b) {
    const bool printable =
        (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    characters[b] = printable ? b : next++;
  }
  return characters;
}

// A token in the files' writing, back to bytes.
class ByteDecoder {
 public:
  ByteDecoder() {
    const auto characters = byte_characters();
    for (std::uint32_t b = 0; b < 256; ++b) byte_of_[characters[b]] = b;
  }

  std::string bytes(std::string_view token, const std::string& file) const {
    std::string out;
    for (std::size_t at = 0; at < token.size();) {
      const auto found = byte_of_.find(code_point(token, at, file));
      if (found == byte_of_.end()) {
        refuse(file + ": the token " + std::string(token) +
               " has a character that stands for no byte");
      }
      out += static_cast<char>(found->second);
    }
    return out;
  }

 private:
  static std::uint32_t code_point(std::string_view token, std::size_t& at,
                                  const std::string& file) {
    try {
      return next_code_point(token, at);
    } catch (const Error&) {
      refuse(file + ": a token is not UTF-8");
    }
  }

  std::unordered_map<std::uint32_t, std::uint32_t> byte_of_;
};

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(left) << 32 |
         static_cast<std::uint32_t>(right);
}

struct Merge {
  std::int32_t rank;
  std::int32_t token;
};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) refuse("the tokenizer's file " + path + " cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Gpt2Tokenizer final : public Tokenizer {
 public:
  Gpt2Tokenizer(const std::string& vocab_path, const std::string& merges_path) {
    read_vocab(vocab_path);
    read_merges(merges_path);
  }

  std::string name() const override { return "gpt2"; }
  std::int64_t vocab_size() const override {
    return static_cast<std::int64_t>(bytes_.size());
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    for (std::size_t at = 0; at < text.size();) next_code_point(text, at);
    std::vector<std::int32_t> tokens;
    pretokenizer_.split(text, [&](std::string_view piece) {
      const auto& merged = tokens_of(piece);
      tokens.insert(tokens.end(), merged.begin(), merged.end());
    });
    return tokens;
  }

  std::string decode(std::span<const std::int32_t> tokens) const override {
    std::string text;
    for (const std::int32_t token : tokens) {
      if (token < 0 || token >= vocab_size()) {
        refuse("token " + std::to_string(token) +
               " is not in a vocabulary of " + std::to_string(vocab_size()));
      }
      text += bytes_[static_cast<std::size_t>(token)];
    }
    return text;
  }

 private:
  void read_vocab(const std::string& path) {
    const auto json = nlohmann::json::parse(read_file(path), nullptr, false);
    if (!json.is_object() || json.size() < 256) {
      refuse(path +
             " is not a vocabulary: a JSON object of at least 256 "
             "tokens was expected");
    }
    const ByteDecoder decoder;
    bytes_.resize(json.size());
    std::vector<bool> seen(json.size());
    for (const auto& [token, id] : json.items()) {
      if (!id.is_number_unsigned() || id.get<std::size_t>() >= json.size() ||
          seen[id.get<std::size_t>()]) {
        refuse(path + ": the ids of " + std::to_string(json.size()) +
               " tokens were expected to be 0 to " +
               std::to_string(json.size() - 1) + ", each once; that of " +
               token + " is " + id.dump());
      }
      seen[id.get<std::size_t>()] = true;
      const bool special = token.starts_with("<|") && token.ends_with("|>");
      bytes_[id.get<std::size_t>()] =
          special ? token : decoder.bytes(token, path);
      if (special) {
        ++special_;
      } else {
        id_of_[bytes_[id.get<std::size_t>()]] = id.get<std::int32_t>();
      }
    }
    for (std::uint32_t b = 0; b < 256; ++b) {
      byte_tokens_[b] = id_of(std::string(1, static_cast<char>(b)), path);
    }
  }

  std::int32_t id_of(const std::string& bytes, const std::string& where) const {
    const auto found = id_of_.find(bytes);
    if (found == id_of_.end()) {
      refuse(where + ": the token \"" + bytes + "\" is not in the vocabulary");
    }
    return found->second;
  }

  void read_merges(const std::string& path) {
    const ByteDecoder decoder;
    std::istringstream in(read_file(path));
    std::int32_t rank = 0;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (line.empty() || line.rfind("#version", 0) == 0) continue;
      const std::string where = path + " line " + std::to_string(number);
      const std::size_t space = line.find(' ');
      if (space == std::string::npos ||
          line.find(' ', space + 1) != std::string::npos) {
        refuse(where + ": two tokens with a space between were expected, not " +
               line);
      }
      const std::string left = decoder.bytes(line.substr(0, space), where);
      const std::string right = decoder.bytes(line.substr(space + 1), where);
      const Merge merge{rank++, id_of(left + right, where)};
      const std::uint64_t key =
          pair_key(id_of(left, where), id_of(right, where));
      if (!merges_.emplace(key, merge).second) {
        refuse(where + ": " + line + " is listed a second time");
      }
    }
    check_count(path, rank);
  }

  // Every token is a byte, the outcome of one merge, or special.
  void check_count(const std::string& path, std::int64_t merges) const {
    const std::int64_t want = vocab_size() - 256 - special_;
    if (merges == want) return;
    refuse(path + " holds " + std::to_string(merges) +
           " merges, but a vocabulary of " + std::to_string(vocab_size()) +
           " tokens, " + std::to_string(special_) + " of them special, needs " +
           std::to_string(want) + "; take the two files of one model");
  }

  const std::vector<std::int32_t>& tokens_of(std::string_view piece) const {
    constexpr std::size_t kCached = 64;  // bytes; longer pieces hardly recur
    constexpr std::size_t kPieces = 1 << 20;
    if (cache_.size() >= kPieces) cache_.clear();
    if (piece.size() > kCached) {
      long_piece_ = merged(piece);
      return long_piece_;
    }
    const auto [slot, is_new] = cache_.try_emplace(std::string(piece));
    if (is_new) slot->second = merged(piece);
    return slot->second;
  }

  std::vector<std::int32_t> merged(std::string_view piece) const;

  PreTokenizer pretokenizer_;
  std::vector<std::string> bytes_;  // by id
  std::unordered_map<std::string, std::int32_t> id_of_;
  std::array<std::int32_t, 256> byte_tokens_{};
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::int64_t special_ = 0;
  // By piece, and the last one too long for that.
  mutable std::unordered_map<std::string, std::vector<std::int32_t>> cache_;
  mutable std::vector<std::int32_t> long_piece_;
};

// Merges the pair of lowest rank, leftmost first, until no pair has a rank: a
// linked list of tokens and a heap of pairs, so time is n log n.
std::vector<std::int32_t> Gpt2Tokenizer::merged(std::string_view piece) const {
  struct Node {
    std::int32_t token;
    std::int64_t previous;
    std::int64_t next;
  };
  const auto count = static_cast<std::int64_t>(piece.size());
  std::vector<Node> nodes;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(piece[i]);
    nodes.push_back({byte_tokens_[byte], i - 1, i + 1 < count ? i + 1 : -1});
  }
  // Rank, position of the left token, and the pair as it was then.
  using Entry = std::tuple<std::int32_t, std::int64_t, std::uint64_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap;
  const auto consider = [&](std::int64_t left) {
    if (left < 0 || nodes[left].next < 0) return;
    const std::uint64_t key =
        pair_key(nodes[left].token, nodes[nodes[left].next].token);
    const auto found = merges_.find(key);
    if (found != merges_.end()) heap.emplace(found->second.rank, left, key);
  };
  for (std::int64_t i = 0; i < count; ++i) consider(i);
  while (!heap.empty()) {
    const auto [rank, left, key] = heap.top();
    heap.pop();
    const std::int64_t right = nodes[left].token < 0 ? -1 : nodes[left].next;
    if (right < 0 || pair_key(nodes[left].token, nodes[right].token) != key) {
      continue;
    }
    nodes[left].token = merges_.at(key).token;
    nodes[left].next = nodes[right].next;
    if (nodes[right].next >= 0) nodes[nodes[right].next].previous = left;
    nodes[right].token = -1;  // gone
    consider(nodes[left].previous);
    consider(left);
  }
  std::vector<std::int32_t> tokens;
  for (std::int64_t at = count > 0 ? 0 : -1; at >= 0; at = nodes[at].next) {
    tokens.push_back(nodes[at].token);
  }
  return tokens;
}

}  // namespace

std::unique_ptr<Tokenizer> make_gpt2_tokenizer(const std::string& vocab_path,
                                               const std::string& merges_path) {
  return std::make_unique<Gpt2Tokenizer>(vocab_path, merges_path);
}

}  // namespace cairn
