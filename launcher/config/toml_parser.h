// toml++ 3.3 for texts that nobody has looked at yet. Some characters beyond
// ASCII are undefined behaviour to it, so it is given ASCII only; and its
// assertions hold of its own code only as long as the text is TOML, so that
// here they throw std::invalid_argument, in every build.

#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace cairn {

// Bytes beyond ASCII, and '%', as '%' and two hex digits; and back again.
// Throws std::invalid_argument, with the offset, where the text is not UTF-8.
std::string to_ascii(std::string_view utf8);
std::string from_ascii(std::string_view ascii);

constexpr void require_syntax(bool known) {
  if (!known) throw std::invalid_argument("a syntax that TOML does not have");
}

}  // namespace cairn

#undef NDEBUG
#define TOML_ASSERT(expr) ::cairn::require_syntax(static_cast<bool>(expr))
#include <toml++/toml.h>
