// Amounts of memory as people write and read them.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// Reads "60GiB", "512 MiB", "1.5GB" or "4096". Nothing if it is none of these,
// is not positive, or does not fit.
std::optional<std::int64_t> parse_byte_size(std::string_view text);

// "17 B", "1.50 KiB", "3.25 GiB".
std::string human_bytes(std::int64_t bytes);

}  // namespace cairn
