// Whatever the bytes, the config parser answers with a config that survives
// writing and reading, or with an Error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "launcher/config.h"
#include "runtime/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    cairn::Config config;
    cairn::set(config, text);
  } catch (const cairn::Error&) {
  }
  try {
    const cairn::Config config = cairn::parse_config(text, "fuzz");
    if (cairn::parse_config(cairn::to_toml(config), "again") != config) {
      std::abort();
    }
    cairn::check(config);
  } catch (const cairn::Error&) {
  }
  return 0;
}
