#include "launcher/config/toml_parser.h"

#include <algorithm>
#include <charconv>

#include "runtime/data/utf8.h"
#include "runtime/error.h"

namespace cairn {

std::string to_ascii(std::string_view utf8) {
  try {
    for (std::size_t at = 0; at < utf8.size();) next_code_point(utf8, at);
  } catch (const Error& error) {
    throw std::invalid_argument(error.message());
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string ascii;
  for (const char c : utf8) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 128 && c != '%') {
      ascii += c;
    } else {
      ascii += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  return ascii;
}

// A '%' that was written as \u0025 stands for itself unless digits follow.
std::string from_ascii(std::string_view ascii) {
  std::string utf8;
  for (std::size_t at = 0; at < ascii.size(); ++at) {
    unsigned byte = 0;
    const char* const end = ascii.data() + std::min(at + 3, ascii.size());
    if (ascii[at] == '%' &&
        std::from_chars(ascii.data() + at + 1, end, byte, 16).ptr ==
            ascii.data() + at + 3) {
      utf8 += static_cast<char>(byte);
      at += 2;
    } else {
      utf8 += ascii[at];
    }
  }
  return utf8;
}

}  // namespace cairn
