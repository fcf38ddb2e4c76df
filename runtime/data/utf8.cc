#include "runtime/data/utf8.h"

#include "runtime/error.h"

namespace cairn {
namespace {

// Bytes in the sequence that `lead` begins; 0 if it begins none.
int sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

bool valid(std::uint32_t code_point, int length) {
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
  return code_point >= kLeast[length] && code_point < 0x110000 && !surrogate;
}

[[noreturn]] void refuse(std::size_t at) {
  throw Error(Code::kBadArgument,
              "the text is not UTF-8: no character begins at byte " +
                  std::to_string(at) +
                  "; convert it, or take the byte tokenizer");
}

}  // namespace

std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const std::size_t begin = at;
  const auto lead = static_cast<unsigned char>(text[at]);
  const int length = sequence_length(lead);
  if (length == 0 || text.size() - at < static_cast<std::size_t>(length)) {
    refuse(begin);
  }
  std::uint32_t code_point = length == 1 ? lead : lead & (0x7FU >> length);
  for (int k = 1; k < length; ++k) {
    const auto byte = static_cast<unsigned char>(text[begin + k]);
    if ((byte & 0xC0U) != 0x80U) refuse(begin);
    code_point = code_point << 6 | (byte & 0x3FU);
  }
  if (length > 1 && !valid(code_point, length)) refuse(begin);
  at += static_cast<std::size_t>(length);
  return code_point;
}

void append_utf8(std::string& text, std::uint32_t c) {
  const auto push = [&](std::uint32_t byte) {
    text += static_cast<char>(byte);
  };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | c >> 6);
    push(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  }
}

}  // namespace cairn
