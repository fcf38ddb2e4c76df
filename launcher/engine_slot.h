// The host's side of a step in flight: what is copied to the device, and what
// comes back. Two take turns, so that a step may run while the one before is
// read. All that is copied lies in one slab of host memory that the device
// reaches by itself.

#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "launcher/engine.h"

namespace cairn {

struct Engine::Slot {
  // The slab goes back on `stream`, which outlives the slot.
  Slot(Backend& backend, Stream& stream, const EngineOptions& options)
      : slab(backend.host_memory(), bytes_of(options), Owner::kData, stream) {
    const std::size_t tokens = tokens_of(options);
    inputs = cut<std::int32_t>(tokens);
    targets = cut<std::int32_t>(tokens);
    token_rows = cut<std::int32_t>(tokens);
    const auto groups =
        static_cast<std::size_t>(options.parallel.gradient_groups);
    for (std::size_t g = 0; g < groups; ++g) {
      rows.push_back(cut<std::int32_t>(tokens / groups));
    }
    row_tokens.resize(groups);
    reports = cut<float>(reports_of(options));
    stop = cut<float>(1);
    norm = cut<float>(1);
  }

  // Keeps the tokens that have rows in a group's gradient.
  void keep_rows(std::size_t group, std::span<const std::int32_t> tokens) {
    std::copy(tokens.begin(), tokens.end(), rows[group].begin());
    row_tokens[group] = rows[group].first(tokens.size());
  }

  Buffer slab;
  std::uint64_t number = 0;
  std::span<std::int32_t> inputs;
  std::span<std::int32_t> targets;
  std::span<std::int32_t> token_rows;
  std::vector<std::span<std::int32_t>> rows;        // room for row_tokens
  std::vector<std::span<std::int32_t>> row_tokens;  // by group
  std::span<float> reports;       // by replica: losses, then the wish to stop
  std::span<float> stop;          // [1]
  std::span<float> norm;          // [1]
  std::shared_ptr<Event> before;  // the end of what ran before the step
  std::shared_ptr<Event> begin;
  std::shared_ptr<Event> end;
  std::vector<Timeline::Record> spans;

 private:
  static std::size_t tokens_of(const EngineOptions& options) {
    return static_cast<std::size_t>(options.batch.tokens() *
                                    options.microbatches);
  }
  static std::size_t reports_of(const EngineOptions& options) {
    return static_cast<std::size_t>(options.parallel.data) *
           (static_cast<std::size_t>(options.microbatches) + 1);
  }
  static std::size_t bytes_of(const EngineOptions& options) {
    const auto groups =
        static_cast<std::size_t>(options.parallel.gradient_groups);
    const std::size_t tokens = tokens_of(options);
    return 3 * padded(tokens * sizeof(std::int32_t)) +
           groups * padded(tokens / groups * sizeof(std::int32_t)) +
           padded(reports_of(options) * sizeof(float)) +
           2 * padded(sizeof(float));
  }

  // The next elements of the slab, as zeros.
  template <typename T>
  std::span<T> cut(std::size_t elements) {
    const std::span<T> part(reinterpret_cast<T*>(slab.data() + used_),
                            elements);
    std::fill(part.begin(), part.end(), T{});
    used_ += padded(elements * sizeof(T));
    return part;
  }

  std::size_t used_ = 0;
};

}  // namespace cairn
