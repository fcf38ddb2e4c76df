// Ranks: threads of this process, or processes that mpirun started.

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <ostream>
#include <thread>

#include "launcher/cli.h"
#include "launcher/plan_report.h"
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

int train_on_threads(const Run& run, StopRequest& stop, std::ostream& out) {
  const int ranks = run.options().parallel.world();
  WorldOptions options;
  options.timeout = timeout_of(run.config());
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

int train_with_threads(const Config& config, const ModelFamilies& families,
                       std::ostream& out) {
  const Run run(config, families);
  print_tables(run, out);
  StopRequest stop;
  return train_on_threads(run, stop, out);
}

// What mpirun says of this process in its environment, or `otherwise`.
int told(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::atoi(value) : otherwise;
}

void check_world(const Config& config, int processes) {
  const std::int64_t ranks = config.parallel.pipeline * config.parallel.data;
  if (ranks == processes) return;
  throw Error(
      Code::kBadArgument,
      "parallel.pipeline = " + std::to_string(config.parallel.pipeline) +
          " times parallel.data = " + std::to_string(config.parallel.data) +
          " is " + std::to_string(ranks) + " ranks, and mpirun started " +
          std::to_string(processes) + "; start mpirun -n " +
          std::to_string(ranks) + ", or set parallel.data = " +
          std::to_string(
              std::max<std::int64_t>(1, processes / config.parallel.pipeline)));
}

int train_as_process(const Config& config, const ModelFamilies& families,
                     std::ostream& out) {
  StopRequest stop;
  WorldOptions options;
  options.timeout = timeout_of(config);
  const auto world = make_mpi_world(options);
  check_world(config, world->size());
  std::ostream nowhere(nullptr);
  std::ostream& mine = world->rank() == 0 ? out : nowhere;
  const Run run(config, families, told("OMPI_COMM_WORLD_LOCAL_SIZE", 0));
  print_tables(run, mine);
  try {
    return train_rank(run, *world, stop, mine);
  } catch (const std::exception& error) {
    world->abort("rank " + std::to_string(world->rank()) + ": " + error.what());
    throw;
  }
}

}  // namespace

bool speaks_for_all() { return told("OMPI_COMM_WORLD_RANK", 0) == 0; }

int train(const Config& config, const ModelFamilies& families,
          std::ostream& out) {
  return launched_by_mpi() ? train_as_process(config, families, out)
                           : train_with_threads(config, families, out);
}

}  // namespace cairn
