// The built-in blocks: token embedding, GPT-2 and Llama transformer blocks, and
// the head with its loss. They are written once, against Kernels, and hold no
// device code. An embedder may chain them with his own. Weights of norms are
// gains less one: what PyTorch calls 1 is 0 here.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/block.h"

namespace cairn {

// The embedding table's name; a head that names it as its weight is tied to it.
inline constexpr const char* kTokenTable = "embedding.token";

struct EmbeddingShape {
  std::int64_t vocab = 0;
  std::int64_t width = 0;
  std::int64_t positions = 0;  // learned positions; 0 for none
  float dropout = 0.0F;
  float deviation = 0.02F;
};

struct BlockShape {
  std::int64_t width = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t ffn = 0;
  float dropout = 0.0F;  // of both branches, before they are added
  float norm_epsilon = 1e-5F;
  float rope_theta = 10000.0F;  // Llama only
  float deviation = 0.02F;
  float residual_deviation = 0.02F;  // of projections into the residual
};

struct HeadShape {
  std::int64_t vocab = 0;
  std::int64_t width = 0;
  NormKind norm = NormKind::kLayer;
  float norm_epsilon = 1e-5F;
  std::string weight_name = kTokenTable;
  float deviation = 0.02F;
};

std::unique_ptr<Block> make_embedding(const EmbeddingShape& shape);
std::unique_ptr<Block> make_gpt2_block(const std::string& name,
                                       const BlockShape& shape);
std::unique_ptr<Block> make_llama_block(const std::string& name,
                                        const BlockShape& shape);
std::unique_ptr<Block> make_head(const HeadShape& shape);

}  // namespace cairn
