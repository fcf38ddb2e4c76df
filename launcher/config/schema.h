// The table of all config keys. Parsing, --set, the resolved file and the
// reference page all go through it.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "launcher/config.h"

namespace cairn {

template <typename T>
using Field = T& (*)(Config&);

using Value = std::variant<std::int64_t, double, bool, std::string,
                           std::array<double, 2>>;
using AnyField = std::variant<Field<std::int64_t>, Field<double>, Field<bool>,
                              Field<std::string>, Field<std::array<double, 2>>>;

struct Limits {
  double least = 0.0;
  double most = 0.0;
  bool above_least = false;  // least itself is not valid
  bool below_most = false;   // most itself is not valid
};

struct Key {
  std::string_view section;
  std::string_view name;
  AnyField field;
  Limits limits;                          // numbers only
  std::vector<std::string_view> choices;  // strings only; empty: any
  std::string_view doc;
  bool byte_size = false;  // a string such as "60GiB", or a whole number

  std::string full_name() const;
};

// In the order they are written, sections together.
std::span<const Key> schema();

// The sections in that order.
std::vector<std::string_view> sections();

// Null if there is none.
const Key* find_key(std::string_view section, std::string_view name);

Value value_of(const Key& key, const Config& config);

// "a whole number from 1 to 100000", and such.
std::string valid_values(const Key& key);

// The value as TOML.
std::string to_toml(const Value& value);

// Stores the value. Throws, in a sentence that starts with `place` and shows
// the value, unless it is of the key's type and within its limits.
void assign(Config& config, const Key& key, const Value& value,
            const std::string& place);

}  // namespace cairn
