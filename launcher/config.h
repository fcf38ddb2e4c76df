// What a run is asked to do: the TOML file a user writes, as plain values.
//
// The schema is closed. Every mistake is an Error with kBadArgument whose
// message names the file and line, the key, what was found and what is valid.
// Defaults are the member initialisers below; everything else that is known
// about a key is one row of the table in config_schema.cc.

#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

struct ModelSection {
  std::string family = "gpt2";
  std::int64_t layers = 6;
  std::int64_t width = 384;
  std::int64_t heads = 6;
  std::int64_t kv_heads = 0;  // 0: as many as heads
  std::int64_t ffn = 0;       // 0: the family's own
  std::int64_t vocab = 0;     // 0: from the data
  std::int64_t context = 0;   // 0: data.sequence
  double dropout = 0.0;
  bool tied = true;
  double norm_epsilon = 1e-5;
  double rope_theta = 10000.0;

  bool operator==(const ModelSection&) const = default;
};

struct DataSection {
  std::string train;  // required
  std::string valid;
  std::int64_t sequence = 256;
  std::string format = "auto";

  bool operator==(const DataSection&) const = default;
};

struct TrainSection {
  std::int64_t steps = 1000;
  std::int64_t global_batch = 16;
  std::int64_t micro_batch = 16;
  std::int64_t seed = 1337;
  std::string precision = "fp32";
  std::string device = "auto";
  std::int64_t threads = 0;     // 0: all cores
  std::int64_t eval_every = 0;  // 0: only at the end
  std::int64_t eval_batches = 20;

  bool operator==(const TrainSection&) const = default;
};

struct OptimizerSection {
  double lr = 1e-3;
  double min_lr = 1e-4;
  std::int64_t warmup = 100;
  std::string decay = "cosine";
  std::array<double, 2> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0.1;
  double clip = 1.0;  // 0: off

  bool operator==(const OptimizerSection&) const = default;
};

struct MemorySection {
  std::string device_budget;  // "": no limit
  std::string activations = "auto";

  bool operator==(const MemorySection&) const = default;
};

struct SampleSection {
  std::int64_t tokens = 0;  // 0: no sample
  std::string prompt = "\n";
  double temperature = 0.8;

  bool operator==(const SampleSection&) const = default;
};

struct RunSection {
  std::string directory;  // "": runs/NAME
  std::string name = "run";

  bool operator==(const RunSection&) const = default;
};

struct Config {
  ModelSection model;
  DataSection data;
  TrainSection train;
  OptimizerSection optimizer;
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

// Every key with its value. parse_config gives back an equal Config.
std::string to_toml(const Config& config);

// The reference page of all keys, in Markdown (docs/config.md).
std::string config_reference();

// What "0" and "" stand for.
std::int64_t kv_heads(const ModelSection& model);
std::int64_t context(const Config& config);
std::optional<std::int64_t> device_budget_bytes(const Config& config);
std::filesystem::path run_directory(const Config& config);

}  // namespace cairn
