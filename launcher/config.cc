#include "launcher/config.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "launcher/byte_size.h"
#include "launcher/config/schema.h"
#include "launcher/config/toml_parser.h"
#include "launcher/nearest.h"
#include "runtime/error.h"

namespace cairn {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(Code::kBadArgument, message);
}

std::string at(const std::string& source, const toml::source_region& region) {
  return source + ":" + std::to_string(region.begin.line) + ": ";
}

[[noreturn]] void refuse_section(const std::string& place,
                                 const std::string& name) {
  std::vector<std::string_view> keys;
  for (const Key& key : schema()) {
    if (key.name == name) {
      refuse(place + name + " stands outside a section; the nearest known " +
             "key is " + key.full_name());
    }
  }
  refuse(place + "unknown section [" + name + "]; the nearest known one is [" +
         std::string(nearest(name, sections())) + "]");
}

[[noreturn]] void refuse_key(const std::string& place,
                             const std::string& section,
                             const std::string& name) {
  std::vector<std::string_view> names;
  std::string best;
  for (const Key& key : schema()) {
    if (key.name == name) best = key.full_name();
    if (key.section == section) names.push_back(key.name);
  }
  if (best.empty()) best = section + "." + std::string(nearest(name, names));
  refuse(place + "unknown key " + section + "." + name +
         "; the nearest known key is " + best);
}

// Null if the node is of a type that no key has.
std::optional<Value> value_in(const toml::node& node) {
  if (const auto* whole = node.as_integer()) return Value(whole->get());
  if (const auto* real = node.as_floating_point()) return Value(real->get());
  if (const auto* flag = node.as_boolean()) return Value(flag->get());
  if (const auto* text = node.as_string()) {
    return Value(from_ascii(text->get()));
  }
  const auto* const list = node.as_array();
  if (list == nullptr || list->size() != 2) return std::nullopt;
  const auto first = (*list)[0].value<double>();
  const auto second = (*list)[1].value<double>();
  if (!first || !second) return std::nullopt;
  return Value(std::array<double, 2>{*first, *second});
}

std::string type_of(const toml::node& node) {
  if (const auto* list = node.as_array()) {
    return "a list of length " + std::to_string(list->size());
  }
  return node.is_table() ? "a table" : "a date or time";
}

void assign_node(Config& config, const Key& key, const toml::node& node,
                 const std::string& place) {
  const auto value = value_in(node);
  if (value) return assign(config, key, *value, place);
  refuse(place + key.full_name() + " is " + type_of(node) + ", not " +
         valid_values(key));
}

void read_section(Config& config, const std::string& section,
                  const toml::table& table, const std::string& source) {
  for (const auto& [name, node] : table) {
    const std::string place = at(source, name.source());
    const Key* const key = find_key(section, name.str());
    if (key == nullptr) refuse_key(place, section, from_ascii(name.str()));
    assign_node(config, *key, node, place);
  }
}

toml::table parse_toml(std::string_view text, const std::string& source) {
  try {
    return toml::parse(to_ascii(text));
  } catch (const toml::parse_error& error) {
    const auto where = error.source().begin;
    refuse(source + ":" + std::to_string(where.line) + ":" +
           std::to_string(where.column) +
           ": not TOML: " + from_ascii(error.description()));
  } catch (const std::invalid_argument& error) {
    refuse(source + ": not TOML: " + error.what());
  }
}

bool is_known_section(const std::string& name) {
  for (const std::string_view section : sections()) {
    if (section == name) return true;
  }
  return false;
}

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return std::string(
      text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

// What stands behind the '=' of a --set, as a TOML document.
std::string document(const Key& key, const std::string& text) {
  const bool is_text = std::holds_alternative<Field<std::string>>(key.field);
  const bool is_quoted =
      !text.empty() && (text.front() == '"' || text.front() == '\'');
  if (!is_text || is_quoted) return "value = " + text;
  return "value = " + to_toml(Value(text));
}

}  // namespace

Config parse_config(std::string_view text, const std::string& source) {
  const toml::table root = parse_toml(text, source);
  Config config;
  for (const auto& [name, node] : root) {
    const std::string section = from_ascii(name.str());
    const std::string place = at(source, name.source());
    if (!is_known_section(section)) refuse_section(place, section);
    const auto* const table = node.as_table();
    if (table == nullptr) {
      refuse(place + section + " is a section: write [" + section +
             "] on a line of its own, and its keys below");
    }
    read_section(config, section, *table, source);
  }
  return config;
}

Config load_config(const std::filesystem::path& file) {
  if (std::filesystem::is_directory(file)) {
    refuse("config " + file.string() + " is a directory; name a TOML file");
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    refuse("config " + file.string() +
           " cannot be read: " + std::strerror(errno));
  }
  std::ostringstream text;
  text << stream.rdbuf();
  return parse_config(text.str(), file.string());
}

void set(Config& config, std::string_view assignment) {
  const std::string place = "--set " + std::string(assignment) + ": ";
  const auto equals = assignment.find('=');
  const std::string name = trimmed(assignment.substr(0, equals));
  const auto dot = name.find('.');
  if (equals == std::string_view::npos || dot == std::string::npos) {
    refuse(place + "write section.key=value, such as train.steps=100");
  }
  const std::string section = name.substr(0, dot);
  if (!is_known_section(section)) refuse_section(place, section);
  const Key* const key = find_key(section, name.substr(dot + 1));
  if (key == nullptr) refuse_key(place, section, name.substr(dot + 1));

  const std::string text =
      document(*key, trimmed(assignment.substr(equals + 1)));
  const auto refuse_value = [&] {
    refuse(place + "the value is not TOML; " + key->full_name() + " takes " +
           valid_values(*key));
  };
  try {
    const toml::table table = toml::parse(to_ascii(text));
    if (table.size() != 1) refuse(place + "give one value at a time");
    assign_node(config, *key, *table.get("value"), place);
  } catch (const toml::parse_error&) {
    refuse_value();
  } catch (const std::invalid_argument&) {
    refuse_value();
  }
}

std::string to_toml(const Config& config) {
  std::string text;
  std::string_view section;
  for (const Key& key : schema()) {
    if (key.section != section) {
      text +=
          (section.empty() ? "[" : "\n[") + std::string(key.section) + "]\n";
      section = key.section;
    }
    text +=
        std::string(key.name) + " = " + to_toml(value_of(key, config)) + "\n";
  }
  return text;
}

std::string config_reference() {
  std::string text =
      "# The config\n\nA run is described by a TOML file. Every key, what it "
      "takes, and its\ndefault; an unknown key is an error. On the command "
      "line,\n`--set section.key=value` goes before the file.\n";
  std::string_view section;
  for (const Key& key : schema()) {
    if (key.section != section) {
      section = key.section;
      text += "\n## [" + std::string(section) +
              "]\n\n| key | takes | default | meaning |\n"
              "| --- | --- | --- | --- |\n";
    }
    text += "| `" + std::string(key.name) + "` | " + valid_values(key) +
            " | `" + to_toml(value_of(key, Config{})) + "` | " +
            std::string(key.doc) + " |\n";
  }
  return text;
}

}  // namespace cairn
