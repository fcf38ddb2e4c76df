// What a run is asked to do: the TOML file a user writes, as plain values.
//
// The schema is closed. Every mistake is an Error with kBadArgument whose
// message names the file and line, the key, what was found and what is valid.
// Defaults are the member initialisers of the sections; everything else that is
// known about a key is one row of the table in config/schema.cc.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "launcher/config_sections.h"
#include "runtime/device.h"

namespace cairn {

struct Config {
  ModelSection model;
  DataSection data;
  TrainSection train;
  OptimizerSection optimizer;
  ParallelSection parallel;
  ShardingSection sharding;
  MemorySection memory;
  SampleSection sample;
  RunSection run;

  bool operator==(const Config&) const = default;
};

// Reads TOML. `source` is what messages call the text, usually its path. Each
// value is checked on its own; check() compares them with each other.
Config parse_config(std::string_view text, const std::string& source);
Config load_config(const std::filesystem::path& file);

// Carries out `--set section.key=value`. The value is TOML; a string may be
// given without quotes.
void set(Config& config, std::string_view assignment);

// Throws at the first pair of values that do not go together, or if a required
// one is missing.
void check(const Config& config);

// Throws if this machine lacks the device that the config names, or this build
// what carries its operands. To plan takes neither.
void check_device_is_here(const Config& config);

// Every key with its value. parse_config gives back an equal Config.
std::string to_toml(const Config& config);

// The reference page of all keys, in Markdown (docs/config.md).
std::string config_reference();

// What "0" and "" stand for.
std::int64_t kv_heads(const ModelSection& model);
std::int64_t context(const Config& config);
std::optional<std::int64_t> device_budget_bytes(const Config& config);

// What computes: train.device, or what "auto" comes to here.
Device::Kind device_of(const Config& config);
std::filesystem::path run_directory(const Config& config);

// Of a rank that gives no sign.
std::chrono::milliseconds timeout_of(const Config& config);

}  // namespace cairn
