// A Model is a chain of blocks: the first takes tokens, the last holds the
// loss. Families make models from a ModelConfig; `gpt2` and `llama` are built
// in, and a user adds his own by name:
//
//   ModelFamilies families = built_in_families();
//   families.add("mine", [](const ModelConfig& config) { ... });
//
// There is no global registry: a ModelFamilies is a value, handed to whoever
// makes models.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/block.h"

namespace cairn {

struct ModelConfig {
  std::string family = "gpt2";
  std::int64_t layers = 1;
  std::int64_t width = 64;
  std::int64_t heads = 1;
  std::int64_t kv_heads = 0;  // 0: as many as heads
  std::int64_t ffn = 0;       // 0: what the family uses
  std::int64_t vocab = 256;
  std::int64_t context = 256;
  float dropout = 0.0F;
  bool tied = true;
  float norm_epsilon = 1e-5F;
  float rope_theta = 10000.0F;
};

using Blocks = std::vector<std::unique_ptr<Block>>;

class ModelFamilies {
 public:
  using Maker = std::function<Blocks(const ModelConfig&)>;

  // Throws kBadArgument if the name is taken.
  void add(const std::string& name, Maker maker);

  // Throws kBadArgument, with the names there are, for an unknown family.
  Blocks make(const ModelConfig& config) const;

  std::vector<std::string> names() const;

 private:
  std::map<std::string, Maker> makers_;
};

ModelFamilies built_in_families();

class Model {
 public:
  explicit Model(Blocks blocks);

  int blocks() const { return static_cast<int>(blocks_.size()); }
  const Block& block(int index) const { return *blocks_[index]; }
  const ParameterLayout& layout() const { return layout_; }

  // Indexes into the layout of the parameters of block `index`, as declared.
  const std::vector<int>& parameters_of(int index) const {
    return parameters_[index];
  }

  // A parameter whose gradient a block gives in rows (ParameterSpec::by_rows).
  struct RowGradient {
    int block = 0;
    int slot = 0;         // among the block's parameters
    int parameter = 0;    // in the layout
    bool shared = false;  // another block adds a dense gradient to it
  };
  const std::vector<RowGradient>& row_gradients() const { return rows_; }

  // Rows of the embedding table that takes the tokens; 0 if there is none.
  std::int64_t vocab() const;

  // Of one token, forward and backward: 3 x the blocks' forward operations.
  double flops_per_token(const BatchShape& batch) const;

 private:
  void note_row_gradients();

  Blocks blocks_;
  ParameterLayout layout_;
  std::vector<std::vector<int>> parameters_;
  std::vector<RowGradient> rows_;
};

}  // namespace cairn
