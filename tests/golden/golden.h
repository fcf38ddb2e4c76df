// Reads the golden files that make_golden.py writes: tiny models as PyTorch
// trains them, to hold our own numbers against.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::golden {

struct Config {
  std::string family;
  bool tied = false;
  std::int64_t layers = 0, width = 0, heads = 0, kv_heads = 0, ffn = 0;
  std::int64_t vocab = 0, context = 0, sequence = 0;
  std::int64_t micro_batch = 0, global_batch = 0, steps = 0, warmup = 0;
  double dropout = 0, epsilon = 0, theta = 0;
  double lr = 0, min_lr = 0, beta1 = 0, beta2 = 0, adam_epsilon = 0;
  double weight_decay = 0, clip = 0;
};

// What a tensor of the file is: "initial" or "final" weights, or the
// "gradient" of the first step, before clipping.
struct Entry {
  std::string name;
  std::string kind;
  std::vector<std::int64_t> shape;
  std::size_t offset = 0;
  std::size_t elements = 0;
};

// Tokens of one step, [global_batch, sequence] each, sample after sample. The
// first micro_batch samples are the first micro-batch.
struct Batch {
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;
};

struct Golden {
  Config config;
  std::vector<Entry> entries;  // by kind, each in canonical order
  std::vector<float> data;
  std::vector<Batch> batches;  // of each step
  std::vector<double> losses;  // of each step: mean over the global batch
  std::vector<double> norms;   // of each step: before clipping
  std::vector<double> rates;   // of each step: learning rate

  // Throws std::runtime_error when there is no such tensor.
  const Entry& entry(std::string_view name, std::string_view kind) const;
  std::span<const float> tensor(std::string_view name,
                                std::string_view kind) const;
  // Names of all parameters in canonical order.
  std::vector<std::string> names() const;
};

// Reads `folder`/`name`.json and .bin. Throws std::runtime_error, naming the
// file, when one is missing or they do not fit together.
Golden read(const std::string& folder, const std::string& name);

}  // namespace cairn::golden
