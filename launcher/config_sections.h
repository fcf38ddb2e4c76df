// The sections of a config, as plain values; their initialisers are the
// defaults. docs/config.md tells what each key means.

#pragma once

#include <array>
#include <cstdint>
#include <string>

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
  bool deterministic = true;
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

struct ParallelSection {
  std::int64_t pipeline = 1;
  std::int64_t data = 1;
  std::string schedule = "1f1b";
  std::string schedule_file;  // "": by name
  std::int64_t chunks = 1;
  std::string cuts;   // "": by cost
  std::string costs;  // "": by arithmetic
  std::int64_t receive_ahead = 1;
  std::int64_t gradient_groups = 1;
  std::string transport = "auto";
  double timeout = 300.0;  // seconds

  bool operator==(const ParallelSection&) const = default;
};

struct ShardingSection {
  std::int64_t stage = 0;
  std::int64_t gather_ahead = 1;

  bool operator==(const ShardingSection&) const = default;
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
  std::int64_t trace_step = 0;  // 0: none

  bool operator==(const RunSection&) const = default;
};

}  // namespace cairn
