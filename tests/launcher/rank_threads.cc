#include "tests/launcher/rank_threads.h"

#include <optional>

#include "parallel/staged_world.h"
#include "parallel/worlds.h"
#include "runtime/arena.h"
#include "tests/support/thread_ranks.h"

namespace cairn {
namespace {

// More than any of the tests' models needs on a rank, and the kernels.
constexpr std::size_t kArenaBytes = std::size_t{192} << 20;

std::unique_ptr<World> device_world(World& host, Backend& backend,
                                    const std::string& transport) {
  if (transport.empty()) return nullptr;
  if (transport == "nccl") return make_nccl_world(host, backend, {});
  return make_staged_world(host, backend);
}

void run_rank(World& host, const Model& model, const std::string& policy,
              const EngineOptions& options, const TestDevice& device,
              const std::function<void(TestRank&)>& work) {
  BackendOptions backend_options;
  backend_options.threads = 1;
  backend_options.device = host.rank();
  const auto backend = make_backend(device.backend, backend_options);
  const bool on_host = backend->device().kind == Device::Kind::kCpu;
  const auto on_device = device_world(host, *backend, device.transport);
  World& world = on_device ? *on_device : host;
  const auto stream = backend->make_stream("memory");
  std::optional<Arena> arena;  // where memory that is not the host's is slow
  if (!on_host) arena.emplace(backend->memory(), kArenaBytes, *stream);
  Ledger ledger(arena ? *arena : backend->memory());
  Engine engine(*backend, ledger, world, model, policy_named(policy), options);
  const int replica =
      make_mesh(options.parallel).coordinate(world.rank(), "dp");
  TestRank rank{world, *backend, ledger, engine, replica};
  work(rank);
}

}  // namespace

void on_ranks(const Model& model, const std::string& policy,
              const EngineOptions& options,
              const std::function<void(TestRank&)>& work,
              const TestDevice& device) {
  on_threads(options.parallel.world(), [&](World& world) {
    run_rank(world, model, policy, options, device, work);
  });
}

std::unique_ptr<World> solo_world() {
  return std::move(make_thread_worlds(1, {}).front());
}

std::vector<std::int32_t> test_tokens(const EngineOptions& options,
                                      std::uint64_t step, std::int32_t shift,
                                      std::int32_t vocab) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(
      options.batch.tokens() * options.all_microbatches()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::int32_t>(
        (i * i + 7 * step + static_cast<std::size_t>(shift) * 3 + i) %
        static_cast<std::size_t>(vocab));
  }
  return all;
}

Trained train_on_ranks(const Model& model, const std::string& policy,
                       const EngineOptions& options, int steps,
                       const TestDevice& device) {
  Trained trained;
  const auto vocab = static_cast<std::int32_t>(model.vocab());
  const auto mine =
      static_cast<std::size_t>(options.batch.tokens() * options.microbatches);
  const auto one = static_cast<std::size_t>(options.batch.tokens());
  const auto train = [&](TestRank& rank) {
    const bool tells = rank.world.rank() == 0;
    const std::size_t first = mine * static_cast<std::size_t>(rank.replica);
    rank.engine.draw_weights();
    for (int s = 0; s < steps; ++s) {
      const auto number = static_cast<std::uint64_t>(s);
      const auto inputs = test_tokens(options, number, 0, vocab);
      const auto targets = test_tokens(options, number, 1, vocab);
      rank.engine.step(number,
                       {std::span(inputs).subspan(first, mine),
                        std::span(targets).subspan(first, mine)},
                       1e-2F);
      const StepOutcome outcome = rank.engine.outcome(number);
      if (!tells) continue;
      trained.losses.push_back(outcome.loss);
      trained.norms.push_back(outcome.grad_norm);
    }
    const auto inputs = test_tokens(options, 99, 0, vocab);
    const auto losses = rank.engine.evaluate(std::span(inputs).subspan(0, one),
                                             std::span(inputs).subspan(1, one));
    const std::string hash = rank.engine.weights_hash();
    if (!tells) return;
    trained.evaluations = {losses.front()};
    trained.hash = hash;
  };
  on_ranks(model, policy, options, train, device);
  return trained;
}

}  // namespace cairn
