// The host's side of a step in flight: what is copied to the device, and what
// comes back. Two take turns, so that a step may run while the one before is
// read. All of it lies in the backend's host memory, so that no copy keeps the
// host waiting.

#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <vector>

#include "launcher/engine.h"

namespace cairn {

struct Engine::Slot {
  Slot(const EngineOptions& options, std::pmr::memory_resource& memory)
      : inputs(&memory),
        targets(&memory),
        token_rows(&memory),
        row_tokens(static_cast<std::size_t>(options.parallel.gradient_groups),
                   &memory),
        reports(&memory) {
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
  using Indices = std::pmr::vector<std::int32_t>;
  Indices inputs;
  Indices targets;
  Indices token_rows;
  std::pmr::vector<Indices> row_tokens;  // by group
  std::pmr::vector<float> reports;  // by replica: losses, then the wish to stop
  float stop = 0;
  float norm = 0;
  std::shared_ptr<Event> before;  // the end of what ran before the step
  std::shared_ptr<Event> begin;
  std::shared_ptr<Event> end;
  std::vector<Timeline::Record> spans;
};

}  // namespace cairn
