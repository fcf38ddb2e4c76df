// UTF-8, decoded and encoded one code point at a time.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn {

// The code point that starts at text[at]; moves `at` behind it. Throws
// kBadArgument, with the byte offset, if there is none.
std::uint32_t next_code_point(std::string_view text, std::size_t& at);

void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace cairn
