// Layouts of a run that tests go through: how its ranks are laid out, what they
// shard, what they keep.

#pragma once

#include <string>
#include <vector>

#include "launcher/engine_state.h"

namespace cairn {

struct LayoutCase {
  int pipeline = 1;
  int data = 1;
  std::string schedule = "1f1b";
  int chunks = 1;
  int sharding = 0;
  std::string policy = "keep";
  bool tied = true;
  DType dtype = DType::kF32;
};

// "1f1b, 1 chunk, 2 x 2, ZeRO 3, boundary, tied"
std::string to_text(const LayoutCase& layout);

// Small enough that hundreds of them run in a test.
Model model_of(const LayoutCase& layout);
EngineOptions options_of(const LayoutCase& layout);

// Every schedule over 1, 2 and 4 stages' ranks and 1 and 2 replicas, with every
// policy and stage of sharding, tied and not.
std::vector<LayoutCase> all_layouts();

// In bf16: 1F1B over 1 and 2 stages and replicas, with every stage of sharding,
// keeping all and boundaries, tied and not.
std::vector<LayoutCase> bf16_layouts();

}  // namespace cairn
