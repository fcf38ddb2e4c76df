// Ranks as threads of this process.

#include <exception>
#include <iostream>
#include <thread>

#include "launcher/cli.h"
#include "launcher/worker.h"
#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// How one rank ended.
struct Ending {
  int code = 0;
  std::exception_ptr failure;
};

bool blames_a_peer(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error.code() == Code::kPeerLost;
  } catch (...) {
    return false;
  }
}

// The failure that made the others fail: one that blames no peer, if there is.
std::exception_ptr first_cause(const std::vector<Ending>& endings) {
  std::exception_ptr cause;
  for (const Ending& ending : endings) {
    if (!ending.failure) continue;
    if (!cause || (blames_a_peer(cause) && !blames_a_peer(ending.failure))) {
      cause = ending.failure;
    }
  }
  return cause;
}

Ending run_rank(const Run& run, World& world, StopRequest& stop,
                std::ostream& out) {
  try {
    return {train_rank(run, world, stop, out), nullptr};
  } catch (const std::exception& error) {
    world.abort("rank " + std::to_string(world.rank()) + ": " + error.what());
    return {kExitFault, std::current_exception()};
  }
}

}  // namespace

int train(const Run& run, StopRequest& stop, std::ostream& out) {
  const int ranks = run.options().parallel.world();
  WorldOptions options;
  options.timeout = run.timeout();
  const auto worlds = make_thread_worlds(ranks, options);
  std::vector<Ending> endings(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int r = 1; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      std::ostream nowhere(nullptr);
      endings[r] = run_rank(run, *worlds[r], stop, nowhere);
    });
  }
  endings[0] = run_rank(run, *worlds[0], stop, out);
  for (std::thread& thread : threads) thread.join();
  if (const std::exception_ptr cause = first_cause(endings)) {
    std::rethrow_exception(cause);
  }
  return endings[0].code;
}

}  // namespace cairn
