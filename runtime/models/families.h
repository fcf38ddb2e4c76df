// The built-in model families. Each checks the numbers of its config and says
// which do not go together.

#pragma once

#include "runtime/model.h"

namespace cairn {

// GPT-2 (Radford et al., 2019): learned positions, LayerNorm before each half
// of a block, biases, tanh GELU, ffn = 4 x width.
Blocks make_gpt2(const ModelConfig& config);

// Llama (Touvron et al., 2023): RMSNorm, rotary positions, SwiGLU, no biases,
// grouped-query attention; ffn = 8/3 x width, up to a multiple of 64.
Blocks make_llama(const ModelConfig& config);

}  // namespace cairn
