#include "runtime/models/families.h"

#include <cmath>
#include <string>

#include "runtime/blocks.h"
#include "runtime/error.h"

namespace cairn {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(Code::kBadArgument, message);
}

std::string text(std::int64_t number) { return std::to_string(number); }

// The numbers that every transformer needs to agree.
void check(const ModelConfig& config, std::int64_t kv_heads) {
  if (config.layers < 1 || config.width < 1 || config.heads < 1 ||
      config.vocab < 1 || config.context < 1) {
    refuse(
        "a model needs at least 1 of each of layers, width, heads, vocab "
        "and context, not " +
        text(config.layers) + ", " + text(config.width) + ", " +
        text(config.heads) + ", " + text(config.vocab) + " and " +
        text(config.context));
  }
  if (config.width % config.heads != 0) {
    const std::int64_t below = config.width / config.heads * config.heads;
    refuse("model.width = " + text(config.width) +
           " does not divide into model.heads = " + text(config.heads) +
           "; the nearest widths are " + text(below) + " and " +
           text(below + config.heads));
  }
  if (kv_heads < 1 || config.heads % kv_heads != 0) {
    refuse("model.heads = " + text(config.heads) +
           " does not divide into model.kv_heads = " + text(kv_heads));
  }
}

// Projections back into the residual stream start smaller, so that its variance
// does not grow with depth (Radford et al., 2019).
BlockShape shape_of(const ModelConfig& config, std::int64_t ffn) {
  BlockShape shape;
  shape.width = config.width;
  shape.heads = config.heads;
  shape.kv_heads = config.kv_heads > 0 ? config.kv_heads : config.heads;
  shape.ffn = config.ffn > 0 ? config.ffn : ffn;
  shape.dropout = config.dropout;
  shape.norm_epsilon = config.norm_epsilon;
  shape.rope_theta = config.rope_theta;
  shape.deviation = 0.02F;
  shape.residual_deviation =
      0.02F / std::sqrt(2.0F * static_cast<float>(config.layers));
  check(config, shape.kv_heads);
  return shape;
}

EmbeddingShape embedding_of(const ModelConfig& config, bool positions) {
  return {config.vocab, config.width, positions ? config.context : 0,
          config.dropout, 0.02F};
}

HeadShape head_of(const ModelConfig& config, NormKind norm) {
  HeadShape head;
  head.vocab = config.vocab;
  head.width = config.width;
  head.norm = norm;
  head.norm_epsilon = config.norm_epsilon;
  head.weight_name = config.tied ? kTokenTable : "head.weight";
  head.deviation = 0.02F;
  return head;
}

}  // namespace

Blocks make_gpt2(const ModelConfig& config) {
  const BlockShape shape = shape_of(config, 4 * config.width);
  Blocks blocks;
  blocks.push_back(make_embedding(embedding_of(config, /*positions=*/true)));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    blocks.push_back(make_gpt2_block("block." + text(i), shape));
  }
  blocks.push_back(make_head(head_of(config, NormKind::kLayer)));
  return blocks;
}

Blocks make_llama(const ModelConfig& config) {
  const std::int64_t ffn = (8 * config.width / 3 + 63) / 64 * 64;
  const BlockShape shape = shape_of(config, ffn);
  const std::int64_t head_size = config.width / config.heads;
  if (head_size % 2 != 0) {
    refuse("rotary positions turn pairs, and model.width / model.heads = " +
           text(head_size) + " is odd; take an even head size");
  }
  Blocks blocks;
  blocks.push_back(make_embedding(embedding_of(config, /*positions=*/false)));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    blocks.push_back(make_llama_block("block." + text(i), shape));
  }
  blocks.push_back(make_head(head_of(config, NormKind::kRms)));
  return blocks;
}

}  // namespace cairn
