#include "runtime/data/token_shard.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <type_traits>
#include <vector>

#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t kGpt2Magic = 20240520;
constexpr std::int32_t kLlama3Magic = 20240801;
constexpr std::size_t kLlmcHeader = 1024;
constexpr char kMegatronMagic[] = "MMIDIDX\0";  // nine bytes with the last zero
constexpr std::size_t kMegatronHeader = 34;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(Code::kBadArgument, message);
}

template <typename T>
void widen(const std::byte* from, std::int64_t count, std::int32_t* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + static_cast<std::size_t>(i) * sizeof(T),
                sizeof(T));
    out[i] = static_cast<std::int32_t>(std::int64_t{value});
  }
}

// `path` is PREFIX, PREFIX.bin or PREFIX.idx; PREFIX may have dots.
std::string with_extension(const std::string& path, const char* extension) {
  const fs::path file(path);
  const bool whole = file.extension() == ".bin" || file.extension() == ".idx";
  return (whole ? path.substr(0, path.size() - 4) : path) + extension;
}

// Whether any of `count` stored tokens is not in [0, vocab). Seen as unsigned,
// a negative token is a large one.
template <typename T>
bool outside(const std::byte* from, std::int64_t count, std::int64_t vocab) {
  using U = std::make_unsigned_t<T>;
  const std::uint64_t limit =
      std::min(static_cast<std::uint64_t>(vocab),
               static_cast<std::uint64_t>(std::numeric_limits<T>::max()) + 1);
  if (limit > std::numeric_limits<U>::max()) return false;
  const auto bound = static_cast<U>(limit);
  bool any = false;
  for (std::int64_t i = 0; i < count; ++i) {
    U value;
    std::memcpy(&value, from + static_cast<std::size_t>(i) * sizeof(U),
                sizeof(U));
    any |= value >= bound;
  }
  return any;
}

}  // namespace

std::size_t size_of(TokenWidth width) {
  switch (width) {
    case TokenWidth::kU8:
    case TokenWidth::kI8:
      return 1;
    case TokenWidth::kI16:
    case TokenWidth::kU16:
      return 2;
    case TokenWidth::kI32:
    case TokenWidth::kU32:
      return 4;
    case TokenWidth::kI64:
      return 8;
  }
  return 0;
}

std::int64_t TokenShard::token(std::int64_t position) const {
  const std::size_t at =
      offset_ + static_cast<std::size_t>(position) * size_of(width_);
  switch (width_) {
    case TokenWidth::kU8:
      return file_->at<std::uint8_t>(at);
    case TokenWidth::kI8:
      return file_->at<std::int8_t>(at);
    case TokenWidth::kI16:
      return file_->at<std::int16_t>(at);
    case TokenWidth::kU16:
      return file_->at<std::uint16_t>(at);
    case TokenWidth::kI32:
      return file_->at<std::int32_t>(at);
    case TokenWidth::kU32:
      return file_->at<std::uint32_t>(at);
    case TokenWidth::kI64:
      return file_->at<std::int64_t>(at);
  }
  return -1;
}

void TokenShard::read(std::int64_t position, std::int64_t count,
                      std::int32_t* out) const {
  if (position < 0 || count < 0 || position > tokens_ - count) {
    refuse("tokens " + std::to_string(position) + " to " +
           std::to_string(position + count) + " were asked of " + path() +
           ", which has " + std::to_string(tokens_));
  }
  const std::byte* from = file_->data() + offset_ +
                          static_cast<std::size_t>(position) * size_of(width_);
  switch (width_) {
    case TokenWidth::kU8:
      return widen<std::uint8_t>(from, count, out);
    case TokenWidth::kI8:
      return widen<std::int8_t>(from, count, out);
    case TokenWidth::kI16:
      return widen<std::int16_t>(from, count, out);
    case TokenWidth::kU16:
      return widen<std::uint16_t>(from, count, out);
    case TokenWidth::kI32:
    case TokenWidth::kU32:
      return widen<std::int32_t>(from, count, out);
    case TokenWidth::kI64:
      return widen<std::int64_t>(from, count, out);
  }
}

bool TokenShard::any_outside(std::int64_t position, std::int64_t count,
                             std::int64_t vocab) const {
  const std::byte* from = file_->data() + offset_ +
                          static_cast<std::size_t>(position) * size_of(width_);
  switch (width_) {
    case TokenWidth::kU8:
      return outside<std::uint8_t>(from, count, vocab);
    case TokenWidth::kI8:
      return outside<std::int8_t>(from, count, vocab);
    case TokenWidth::kI16:
      return outside<std::int16_t>(from, count, vocab);
    case TokenWidth::kU16:
      return outside<std::uint16_t>(from, count, vocab);
    case TokenWidth::kI32:
      return outside<std::int32_t>(from, count, vocab);
    case TokenWidth::kU32:
      return outside<std::uint32_t>(from, count, vocab);
    case TokenWidth::kI64:
      return outside<std::int64_t>(from, count, vocab);
  }
  return true;
}

// In spans, each without branches; only one with a fault is looked through.
void TokenShard::check_vocabulary(std::int64_t vocab) const {
  constexpr std::int64_t kSpan = 4096;
  std::int64_t i = 0;
  while (i < tokens_ && !any_outside(i, std::min(kSpan, tokens_ - i), vocab)) {
    i += kSpan;
  }
  for (; i < tokens_; ++i) {
    const std::int64_t id = token(i);
    if (id >= 0 && id < vocab) continue;
    refuse(path() + ": token " + std::to_string(id) + " at position " +
           std::to_string(i) + " is not in a vocabulary of " +
           std::to_string(vocab) +
           "; set model.vocab to that of the tokenizer that wrote the file, or "
           "data.format to its form");
  }
}

std::unique_ptr<TokenShard> open_llmc(const std::string& path) {
  auto file = std::make_unique<MappedFile>(path);
  if (file->size() < kLlmcHeader) {
    refuse(path + " has " + std::to_string(file->size()) +
           " bytes; llm.c's form begins with a header of " +
           std::to_string(kLlmcHeader));
  }
  const auto magic = file->at<std::int32_t>(0);
  const auto version = file->at<std::int32_t>(4);
  const bool gpt2 = magic == kGpt2Magic && version == 1;
  const bool llama3 = magic == kLlama3Magic && version == 7;
  if (!gpt2 && !llama3) {
    refuse(path + " begins with " + std::to_string(magic) + ", version " +
           std::to_string(version) + "; llm.c's form begins with " +
           std::to_string(kGpt2Magic) + ", version 1, or " +
           std::to_string(kLlama3Magic) + ", version 7");
  }
  const TokenWidth width = gpt2 ? TokenWidth::kU16 : TokenWidth::kU32;
  const std::int64_t tokens = file->at<std::int32_t>(8);
  const std::int64_t want = static_cast<std::int64_t>(kLlmcHeader) +
                            tokens * static_cast<std::int64_t>(size_of(width));
  if (tokens < 0 || want != static_cast<std::int64_t>(file->size())) {
    refuse(path + " has " + std::to_string(file->size()) +
           " bytes; its header says " + std::to_string(tokens) +
           " tokens, which make " + std::to_string(want) +
           ": the file was cut short or changed");
  }
  return std::make_unique<TokenShard>(std::move(file), width, kLlmcHeader,
                                      tokens);
}

std::unique_ptr<TokenShard> open_nanogpt(const std::string& path) {
  auto file = std::make_unique<MappedFile>(path);
  if (file->size() % 2 != 0) {
    refuse(path + " has " + std::to_string(file->size()) +
           " bytes, an odd number; nanoGPT's form is two bytes a token");
  }
  const auto tokens = static_cast<std::int64_t>(file->size() / 2);
  return std::make_unique<TokenShard>(std::move(file), TokenWidth::kU16, 0,
                                      tokens);
}

namespace {

TokenWidth megatron_width(int code, const std::string& path) {
  switch (code) {
    case 1:
      return TokenWidth::kU8;
    case 2:
      return TokenWidth::kI8;
    case 3:
      return TokenWidth::kI16;
    case 4:
      return TokenWidth::kI32;
    case 5:
      return TokenWidth::kI64;
    case 8:
      return TokenWidth::kU16;
    default:
      refuse(path + " says that its tokens are of type " +
             std::to_string(code) + "; integers are 1, 2, 3, 4, 5 and 8");
  }
}

struct MegatronIndex {
  TokenWidth width;
  std::uint64_t sequences;
  std::uint64_t documents;
};

MegatronIndex read_header(const MappedFile& index) {
  const std::string& path = index.path();
  if (index.size() < kMegatronHeader ||
      std::memcmp(index.data(), kMegatronMagic, 9) != 0 ||
      index.at<std::uint64_t>(9) != 1) {
    refuse(path + " of " + std::to_string(index.size()) +
           " bytes does not begin as a Megatron index of version 1 does");
  }
  const MegatronIndex header{megatron_width(index.at<std::uint8_t>(17), path),
                             index.at<std::uint64_t>(18),
                             index.at<std::uint64_t>(26)};
  const std::uint64_t room = index.size() - kMegatronHeader;
  const bool fits = header.sequences <= room / 12 &&
                    header.documents <= (room - 12 * header.sequences) / 8;
  const std::uint64_t want =
      kMegatronHeader + 12 * header.sequences + 8 * header.documents;
  if (!fits || index.size() != want) {
    refuse(path + " has " + std::to_string(index.size()) + " bytes; " +
           std::to_string(header.sequences) + " sequences and " +
           std::to_string(header.documents) + " document borders make " +
           (fits ? std::to_string(want) : "more"));
  }
  return header;
}

// Documents are runs of whole sequences: their borders rise from 0 to S.
void check_documents(const MappedFile& index, const MegatronIndex& header) {
  const std::size_t documents = kMegatronHeader + 12 * header.sequences;
  std::uint64_t before = 0;
  for (std::uint64_t d = 0; d < header.documents; ++d) {
    const auto border = index.at<std::uint64_t>(documents + 8 * d);
    if (border < before || border > header.sequences ||
        (d == 0 && border > 0)) {
      refuse(index.path() + ": document border " + std::to_string(d) + " is " +
             std::to_string(border) + "; borders rise from 0 to " +
             std::to_string(header.sequences));
    }
    before = border;
  }
  if (header.documents == 0 || before != header.sequences) {
    refuse(index.path() + ": the last of " + std::to_string(header.documents) +
           " document borders is at sequence " + std::to_string(before) +
           " of " + std::to_string(header.sequences));
  }
}

// The tokens of all sequences, which must lie back to back and fill the file.
std::int64_t check_index(const MappedFile& index, const MegatronIndex& header,
                         const MappedFile& bin) {
  const std::size_t pointers = kMegatronHeader + 4 * header.sequences;
  const auto width = static_cast<std::int64_t>(size_of(header.width));
  std::int64_t bytes = 0;
  for (std::uint64_t s = 0; s < header.sequences; ++s) {
    const auto length = index.at<std::int32_t>(kMegatronHeader + 4 * s);
    const auto pointer = index.at<std::int64_t>(pointers + 8 * s);
    if (length < 0 || pointer != bytes) {
      refuse(index.path() + ": sequence " + std::to_string(s) + " has " +
             std::to_string(length) + " tokens at byte " +
             std::to_string(pointer) + "; it should begin at byte " +
             std::to_string(bytes));
    }
    bytes += length * width;
  }
  check_documents(index, header);
  if (static_cast<std::uint64_t>(bytes) != bin.size()) {
    refuse(bin.path() + " has " + std::to_string(bin.size()) +
           " bytes; its index says " + std::to_string(bytes));
  }
  return bytes / width;
}

}  // namespace

std::unique_ptr<TokenShard> open_megatron(const std::string& path) {
  const MappedFile index(with_extension(path, ".idx"));
  auto bin = std::make_unique<MappedFile>(with_extension(path, ".bin"));
  const MegatronIndex header = read_header(index);
  const std::int64_t tokens = check_index(index, header, *bin);
  return std::make_unique<TokenShard>(std::move(bin), header.width, 0, tokens);
}

std::unique_ptr<TokenShard> open_shard(const std::string& path,
                                       const std::string& format) {
  if (format == "llmc") return open_llmc(path);
  if (format == "nanogpt") return open_nanogpt(path);
  if (format == "megatron") return open_megatron(path);
  if (format != "auto") {
    refuse("data.format = \"" + format +
           "\"; there are auto, llmc, nanogpt, megatron");
  }
  std::error_code ignored;
  if (fs::exists(with_extension(path, ".idx"), ignored)) {
    return open_megatron(path);
  }
  const MappedFile file(path);
  if (file.size() >= 4) {
    const auto magic = file.at<std::int32_t>(0);
    if (magic == kGpt2Magic || magic == kLlama3Magic) return open_llmc(path);
  }
  return open_nanogpt(path);
}

}  // namespace cairn
