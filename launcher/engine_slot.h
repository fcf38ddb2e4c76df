// The host's side of a step in flight: what is copied to the device, and what
// comes back. Two take turns, so that a step may run while the one before is
// read.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "launcher/engine.h"

namespace cairn {

struct Engine::Slot {
  explicit Slot(const EngineOptions& options)
      : row_tokens(static_cast<std::size_t>(options.parallel.gradient_groups)) {
    const auto tokens =
        static_cast<std::size_t>(options.batch.tokens() * options.microbatches);
    inputs.resize(tokens);
    targets.resize(tokens);
    token_rows.resize(tokens);
    for (auto& group : row_tokens) group.reserve(tokens);
    reports.resize(static_cast<std::size_t>(options.parallel.data) *
                   (static_cast<std::size_t>(options.microbatches) + 1));
  }

  std::uint64_t number = 0;
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;
  std::vector<std::int32_t> token_rows;
  std::vector<std::vector<std::int32_t>> row_tokens;  // by group
  std::vector<float> reports;  // by replica: losses, then the wish to stop
  float stop = 0;
  float norm = 0;
  std::shared_ptr<Event> before;  // the end of what ran before the step
  std::shared_ptr<Event> begin;
  std::shared_ptr<Event> end;
  std::vector<Timeline::Record> spans;
};

}  // namespace cairn
