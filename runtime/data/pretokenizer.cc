#include "runtime/data/pretokenizer.h"

#include <cstdint>
#include <string>

#define PCRE2_CODE_UNIT_WIDTH 8  // the library's own way of choosing UTF-8
#include <pcre2.h>

#include "runtime/error.h"

namespace cairn {
namespace {

// Unicode's White_Space. PCRE2's own \s has U+180E as well.
constexpr const char* kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029})"
    R"(\x{202f}\x{205f}\x{3000})";

std::string pattern() {
  const std::string space = kSpace;
  return R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" + space +
         R"(\p{L}\p{N}]+|[)" + space + R"(]+(?![^)" + space + R"(])|[)" +
         space + R"(]+)";
}

}  // namespace

struct PreTokenizer::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_data* match = nullptr;

  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    pcre2_match_data_free(match);
    pcre2_code_free(code);
  }
};

PreTokenizer::PreTokenizer() : compiled_(std::make_unique<Compiled>()) {
  const std::string text = pattern();
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Anchored here, not at each match: the JIT does not take that option there.
  constexpr std::uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED;
  compiled_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                    kOptions, &error, &offset, nullptr);
  if (compiled_->code == nullptr) {
    throw Error(Code::kDeviceFault, "PCRE2 cannot compile GPT-2's pattern: " +
                                        std::to_string(error) + " at " +
                                        std::to_string(offset));
  }
  // Without JIT (a hardened kernel) matching is slower, not different.
  static_cast<void>(pcre2_jit_compile(compiled_->code, PCRE2_JIT_COMPLETE));
  compiled_->match =
      pcre2_match_data_create_from_pattern(compiled_->code, nullptr);
}

PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::split(
    std::string_view text,
    const std::function<void(std::string_view)>& piece) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t at = 0;
  while (at < text.size()) {
    const int found =
        pcre2_match(compiled_->code, subject, text.size(), at,
                    PCRE2_NO_UTF_CHECK, compiled_->match, nullptr);
    if (found < 0) {
      throw Error(Code::kDeviceFault,
                  "PCRE2 ends with " + std::to_string(found) + " at byte " +
                      std::to_string(at) + " of a text of " +
                      std::to_string(text.size()));
    }
    const std::size_t end = pcre2_get_ovector_pointer(compiled_->match)[1];
    piece(text.substr(at, end - at));
    at = end;
  }
}

}  // namespace cairn
