#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>

#include "launcher/byte_size.h"
#include "launcher/config/schema.h"
#include "runtime/error.h"

namespace cairn {
namespace {

template <typename T>
constexpr bool holds(const Value& value) {
  return std::holds_alternative<T>(value);
}

bool takes_whole(const Key& key) {
  return std::holds_alternative<Field<std::int64_t>>(key.field);
}
bool takes_text(const Key& key) {
  return std::holds_alternative<Field<std::string>>(key.field);
}

// Shortest text that reads back to the same bits, and is a TOML float.
std::string real_text(double value) {
  std::array<char, 64> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  std::string result(text.data(), end);
  if (result.find_first_of(".en") == std::string::npos) result += ".0";
  return result;
}

std::string limit_text(const Key& key, double limit) {
  if (takes_whole(key)) {
    return std::to_string(static_cast<std::int64_t>(limit));
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", limit);
  return text.data();
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (code < 0x20 || code == 0x7F) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04X", code);
      result += escape.data();
    } else {
      result += c;
    }
  }
  return result + '"';
}

bool within(const Limits& limits, double value) {
  const bool low =
      limits.above_least ? value > limits.least : value >= limits.least;
  const bool high =
      limits.below_most ? value < limits.most : value <= limits.most;
  return low && high;
}

bool valid(const Key& key, std::int64_t value) {
  return within(key.limits, static_cast<double>(value));
}
bool valid(const Key& key, double value) { return within(key.limits, value); }
bool valid(const Key&, bool) { return true; }
bool valid(const Key& key, const std::array<double, 2>& value) {
  return within(key.limits, value[0]) && within(key.limits, value[1]);
}
bool valid(const Key& key, const std::string& value) {
  if (key.byte_size) return value.empty() || parse_byte_size(value).has_value();
  return key.choices.empty() ||
         std::find(key.choices.begin(), key.choices.end(), value) !=
             key.choices.end();
}

// A whole number will do where a real one or a size is asked for.
Value converted(const Key& key, const Value& value) {
  const auto* const whole = std::get_if<std::int64_t>(&value);
  if (whole == nullptr) return value;
  if (key.byte_size) return std::to_string(*whole);
  if (std::holds_alternative<Field<double>>(key.field)) {
    return static_cast<double>(*whole);
  }
  return value;
}

}  // namespace

Value value_of(const Key& key, const Config& config) {
  Config copy = config;
  return std::visit([&copy](auto field) -> Value { return field(copy); },
                    key.field);
}

std::string valid_values(const Key& key) {
  if (key.byte_size) return "a size such as \"60GiB\", \"512MiB\" or \"1.5GB\"";
  if (takes_text(key)) {
    if (key.choices.empty()) return "a string";
    std::string list = "one of ";
    for (const std::string_view choice : key.choices) {
      list += (choice == key.choices.front() ? "\"" : ", \"") +
              std::string(choice) + "\"";
    }
    return list;
  }
  if (std::holds_alternative<Field<bool>>(key.field)) return "true or false";
  const Limits& limits = key.limits;
  std::string range =
      (limits.above_least ? "above " : "from ") + limit_text(key, limits.least);
  range += (limits.below_most ? " to below " : " to ");
  range += limit_text(key, limits.most);
  if (takes_whole(key)) return "a whole number " + range;
  const bool one = std::holds_alternative<Field<double>>(key.field);
  return (one ? "a number " : "a list of two numbers ") + range;
}

std::string to_toml(const Value& value) {
  if (holds<std::int64_t>(value)) {
    return std::to_string(std::get<std::int64_t>(value));
  }
  if (holds<double>(value)) return real_text(std::get<double>(value));
  if (holds<bool>(value)) return std::get<bool>(value) ? "true" : "false";
  if (holds<std::string>(value)) return quoted(std::get<std::string>(value));
  const auto& pair = std::get<std::array<double, 2>>(value);
  return "[" + real_text(pair[0]) + ", " + real_text(pair[1]) + "]";
}

void assign(Config& config, const Key& key, const Value& value,
            const std::string& place) {
  const Value fitting = converted(key, value);
  const auto store = [&](auto field) {
    using T = std::remove_reference_t<decltype(field(config))>;
    const T* const found = std::get_if<T>(&fitting);
    if (found == nullptr || !valid(key, *found)) return false;
    field(config) = *found;
    return true;
  };
  if (std::visit(store, key.field)) return;
  throw Error(Code::kBadArgument, place + key.full_name() + " = " +
                                      to_toml(value) + " is not " +
                                      valid_values(key));
}

}  // namespace cairn
