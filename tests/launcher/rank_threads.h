// Engines of all ranks of a layout, each on a thread of its own.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "launcher/engine.h"
#include "runtime/ledger.h"

namespace cairn {

// What the ranks compute on. What lies on a device is staged through the host,
// or carried by NCCL between ranks that then have a device each.
struct TestDevice {
  std::string backend = "cpu";
  std::string transport;  // "host", "nccl"; "": by threads, on the cpu
};

// What a rank's thread works with.
struct TestRank {
  World& world;
  Backend& backend;
  Ledger& ledger;
  Engine& engine;
  int replica = 0;
};

// Runs `work` on every rank of `options.parallel` and waits for all. The first
// failure is thrown again, one that blames no peer if there is one.
void on_ranks(const Model& model, const std::string& policy,
              const EngineOptions& options,
              const std::function<void(TestRank&)>& work,
              const TestDevice& device = {});

// A world of one rank.
std::unique_ptr<World> solo_world();

// Tokens below `vocab` that differ from step to step, for all micro-batches of
// all replicas.
std::vector<std::int32_t> test_tokens(const EngineOptions& options,
                                      std::uint64_t step, std::int32_t shift,
                                      std::int32_t vocab);

// Trains on such tokens; what every rank is told, and rank 0's hash.
struct Trained {
  std::string hash;
  std::vector<float> losses;
  std::vector<float> norms;
  std::vector<float> evaluations;

  friend bool operator==(const Trained&, const Trained&) = default;
};
Trained train_on_ranks(const Model& model, const std::string& policy,
                       const EngineOptions& options, int steps,
                       const TestDevice& device = {});

}  // namespace cairn
