// The one table of keys. (Member initialisers in config.h are the defaults.)

#include "launcher/config/schema.h"

namespace cairn {
namespace {

constexpr double kMany = 1048576.0;
constexpr double kForever = 1e12;

using Whole = Field<std::int64_t>;
using Real = Field<double>;
using Flag = Field<bool>;
using Text = Field<std::string>;
using Pair = Field<std::array<double, 2>>;

// clang-format off
const Key kKeys[] = {
    {"model", "family",
     Text([](Config& c) -> auto& { return c.model.family; }),
     {}, {},
     "Architecture: \"gpt2\", \"llama\", or one that the program registers."},
    {"model", "layers",
     Whole([](Config& c) -> auto& { return c.model.layers; }),
     {1, 65536}, {},
     "Transformer blocks."},
    {"model", "width",
     Whole([](Config& c) -> auto& { return c.model.width; }),
     {1, kMany}, {},
     "Channels of the residual stream; a multiple of heads."},
    {"model", "heads",
     Whole([](Config& c) -> auto& { return c.model.heads; }),
     {1, 65536}, {},
     "Attention heads."},
    {"model", "kv_heads",
     Whole([](Config& c) -> auto& { return c.model.kv_heads; }),
     {0, 65536}, {},
     "Key and value heads, shared by groups of heads; 0 is as many as heads."},
    {"model", "ffn",
     Whole([](Config& c) -> auto& { return c.model.ffn; }),
     {0, 16 * kMany}, {},
     "Hidden channels of the MLP; 0 is the family's own choice."},
    {"model", "vocab",
     Whole([](Config& c) -> auto& { return c.model.vocab; }),
     {0, 256 * kMany}, {},
     "Token ids the model knows; 0 takes the number from the data."},
    {"model", "context",
     Whole([](Config& c) -> auto& { return c.model.context; }),
     {0, 64 * kMany}, {},
     "Longest sequence the model takes; 0 is data.sequence."},
    {"model", "dropout",
     Real([](Config& c) -> auto& { return c.model.dropout; }),
     {0.0, 1.0, false, true}, {},
     "Chance that an activation is dropped in training."},
    {"model", "tied",
     Flag([](Config& c) -> auto& { return c.model.tied; }),
     {}, {},
     "Whether the head uses the embedding's weights."},
    {"model", "norm_epsilon",
     Real([](Config& c) -> auto& { return c.model.norm_epsilon; }),
     {0.0, 1.0, true, true}, {},
     "Added to the variance in normalisation."},
    {"model", "rope_theta",
     Real([](Config& c) -> auto& { return c.model.rope_theta; }),
     {1.0, 1e12}, {},
     "Base of the rotary position angles (llama)."},
    {"data", "train",
     Text([](Config& c) -> auto& { return c.data.train; }),
     {}, {},
     "Token shards to train on: a file, or a pattern for many. Required."},
    {"data", "valid",
     Text([](Config& c) -> auto& { return c.data.valid; }),
     {}, {},
     "Token shards to evaluate on; \"\" is no evaluation."},
    {"data", "sequence",
     Whole([](Config& c) -> auto& { return c.data.sequence; }),
     {1, 64 * kMany}, {},
     "Tokens in one training sample."},
    {"data", "format",
     Text([](Config& c) -> auto& { return c.data.format; }),
     {}, {"auto", "llmc", "nanogpt", "megatron"},
     "Form of the shards; \"auto\" looks at the file."},
    {"train", "steps",
     Whole([](Config& c) -> auto& { return c.train.steps; }),
     {1, kForever}, {},
     "Optimizer steps of the run."},
    {"train", "global_batch",
     Whole([](Config& c) -> auto& { return c.train.global_batch; }),
     {1, 16 * kMany}, {},
     "Samples in one optimizer step; a multiple of micro_batch."},
    {"train", "micro_batch",
     Whole([](Config& c) -> auto& { return c.train.micro_batch; }),
     {1, kMany}, {},
     "Samples that go through the model at once."},
    {"train", "seed",
     Whole([](Config& c) -> auto& { return c.train.seed; }),
     {0, 9e15}, {},
     "Seeds the weights, the order of the data and dropout."},
    {"train", "precision",
     Text([](Config& c) -> auto& { return c.train.precision; }),
     {}, {"fp32", "bf16"},
     "Arithmetic of the matrix products; \"bf16\" needs a CUDA device."},
    {"train", "device",
     Text([](Config& c) -> auto& { return c.train.device; }),
     {}, {"auto", "cpu"},
     "Where to compute; \"auto\" takes the best there is."},
    {"train", "threads",
     Whole([](Config& c) -> auto& { return c.train.threads; }),
     {0, 4096}, {},
     "CPU threads; 0 is all cores. Never changes the numbers."},
    {"train", "eval_every",
     Whole([](Config& c) -> auto& { return c.train.eval_every; }),
     {0, kForever}, {},
     "Steps between evaluations; 0 is only at the end."},
    {"train", "eval_batches",
     Whole([](Config& c) -> auto& { return c.train.eval_batches; }),
     {1, 16 * kMany}, {},
     "Micro-batches in one evaluation."},
    {"optimizer", "lr",
     Real([](Config& c) -> auto& { return c.optimizer.lr; }),
     {0.0, 1e3}, {},
     "Learning rate after the warm-up."},
    {"optimizer", "min_lr",
     Real([](Config& c) -> auto& { return c.optimizer.min_lr; }),
     {0.0, 1e3}, {},
     "Learning rate at the last step."},
    {"optimizer", "warmup",
     Whole([](Config& c) -> auto& { return c.optimizer.warmup; }),
     {0, kForever}, {},
     "Steps in which the learning rate rises to lr."},
    {"optimizer", "decay",
     Text([](Config& c) -> auto& { return c.optimizer.decay; }),
     {}, {"cosine", "linear", "constant"},
     "Shape of the way from lr down to min_lr."},
    {"optimizer", "betas",
     Pair([](Config& c) -> auto& { return c.optimizer.betas; }),
     {0.0, 1.0, false, true}, {},
     "AdamW's decay rates of the first and second moment."},
    {"optimizer", "eps",
     Real([](Config& c) -> auto& { return c.optimizer.eps; }),
     {0.0, 1.0, true, true}, {},
     "AdamW's epsilon."},
    {"optimizer", "weight_decay",
     Real([](Config& c) -> auto& { return c.optimizer.weight_decay; }),
     {0.0, 1e3}, {},
     "AdamW's weight decay, of matrices only."},
    {"optimizer", "clip",
     Real([](Config& c) -> auto& { return c.optimizer.clip; }),
     {0.0, 1e9}, {},
     "Largest global norm of the gradient; 0 is off."},
    {"memory", "device_budget",
     Text([](Config& c) -> auto& { return c.memory.device_budget; }),
     {}, {},
     "Most device memory: \"60GiB\", \"1.5GB\" or bytes; \"\" is none.", true},
    {"memory", "activations",
     Text([](Config& c) -> auto& { return c.memory.activations; }),
     {}, {"auto", "keep", "cheap", "boundary"},
     "What stays between forward and backward; \"auto\" recomputes least."},
    {"sample", "tokens",
     Whole([](Config& c) -> auto& { return c.sample.tokens; }),
     {0, 16 * kMany}, {},
     "Tokens to write after training; 0 is none."},
    {"sample", "prompt",
     Text([](Config& c) -> auto& { return c.sample.prompt; }),
     {}, {},
     "Text the sample goes on from."},
    {"sample", "temperature",
     Real([](Config& c) -> auto& { return c.sample.temperature; }),
     {0.0, 100.0}, {},
     "Spread of the sampling; 0 takes the likeliest token."},
    {"run", "directory",
     Text([](Config& c) -> auto& { return c.run.directory; }),
     {}, {},
     "Where the run writes; \"\" is runs/NAME."},
    {"run", "name",
     Text([](Config& c) -> auto& { return c.run.name; }),
     {}, {},
     "Name of the run."},
};
// clang-format on

}  // namespace

std::string Key::full_name() const {
  return std::string(section) + "." + std::string(name);
}

std::span<const Key> schema() { return kKeys; }

std::vector<std::string_view> sections() {
  std::vector<std::string_view> names;
  for (const Key& key : schema()) {
    if (names.empty() || names.back() != key.section) {
      names.push_back(key.section);
    }
  }
  return names;
}

const Key* find_key(std::string_view section, std::string_view name) {
  for (const Key& key : schema()) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

}  // namespace cairn
