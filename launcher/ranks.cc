// Ranks: threads of this process, or processes that mpirun started.

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <ostream>
#include <thread>
#include <utility>

#include "launcher/cli.h"
#include "launcher/plan_report.h"
#include "launcher/time_limit.h"
#include "launcher/transport.h"
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

int code_of(const std::exception& error) {
  const auto* own = dynamic_cast<const Error*>(&error);
  return own != nullptr ? exit_code(*own) : kExitFault;
}

std::string message_of(const std::exception& error) {
  const auto* own = dynamic_cast<const Error*>(&error);
  return own != nullptr ? own->message() : error.what();
}

Ending run_rank(const Run& run, World& world, StopRequest& stop,
                std::ostream& out) {
  try {
    const Seat seat{world.rank(), world.size()};
    return {train_rank(run, world, seat, stop, out), nullptr};
  } catch (const std::exception& error) {
    world.abort(message_of(error));
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

// The layout of so many ranks that changes least.
std::string layout_of(const ParallelSection& parallel, int processes) {
  const std::string pipeline = "parallel.pipeline = ";
  const std::string data = "parallel.data = ";
  if (processes % parallel.pipeline == 0) {
    return data + std::to_string(processes / parallel.pipeline);
  }
  if (processes % parallel.data == 0) {
    return pipeline + std::to_string(processes / parallel.data);
  }
  return pipeline + std::to_string(processes) + " and " + data + "1";
}

void check_world(const Config& config, int processes) {
  const ParallelSection& parallel = config.parallel;
  const std::string ranks = std::to_string(parallel.pipeline * parallel.data);
  if (ranks == std::to_string(processes)) return;
  throw Error(Code::kBadArgument,
              "parallel.pipeline = " + std::to_string(parallel.pipeline) +
                  " times parallel.data = " + std::to_string(parallel.data) +
                  " is " + ranks + " ranks, and mpirun started " +
                  std::to_string(processes) + "; start mpirun -n " + ranks +
                  ", or set " + layout_of(parallel, processes));
}

// What was wrong with the start on this rank, if anything.
template <typename Step>
void attempt(std::optional<Error>& mistake, Step step) {
  if (mistake) return;
  try {
    step();
  } catch (const Error& error) {
    mistake = error;
  }
}

// A mistake is mostly that of all ranks: the first tells it, before it leaves
// the world, for mpirun ends the others when one has ended.
int refuse(const std::optional<Error>& mistake, bool tells) {
  if (!mistake) return kExitFault;
  if (tells) std::cerr << "cairn: " << mistake->message() << "\n";
  return exit_code(*mistake);
}

int train_in(World& world, const Config& config, const ModelFamilies& families,
             std::optional<Error> mistake, StopRequest& stop,
             std::ostream& out) {
  std::optional<Run> run;
  attempt(mistake, [&] {
    check_world(config, world.size());
    run.emplace(config, families, told("OMPI_COMM_WORLD_LOCAL_SIZE", 0));
  });
  // Nobody goes on, or ends and has mpirun end the others, before all have come
  // here.
  const int unable = first_unable(world, !mistake);
  if (unable >= 0) return refuse(mistake, unable == world.rank());
  std::ostream nowhere(nullptr);
  std::ostream& mine = world.rank() == 0 ? out : nowhere;
  print_tables(*run, mine);
  const Seat seat{told("OMPI_COMM_WORLD_LOCAL_RANK", 0),
                  told("OMPI_COMM_WORLD_LOCAL_SIZE", 1)};
  return train_rank(*run, world, seat, stop, mine);
}

// What MPI itself may take on a busy machine.
constexpr std::chrono::milliseconds kMpiTime{10'000};

// MPI starts and ends with all ranks together, and by itself waits for ever.
TimeLimit limit_to(const Config& config, const std::string& to) {
  const auto time = timeout_of(config) + kMpiTime;
  return TimeLimit(time, "rank " +
                             std::to_string(told("OMPI_COMM_WORLD_RANK", 0)) +
                             " waited " + std::to_string(time.count() / 1000) +
                             " s for the other ranks to " + to +
                             " MPI; one is stopped or cannot be reached");
}

std::unique_ptr<World> join_world(const Config& config) {
  const TimeLimit start = limit_to(config, "start");
  WorldOptions options;
  options.timeout = timeout_of(config);
  return make_mpi_world(options);
}

void leave(std::unique_ptr<World> world, const Config& config) {
  const TimeLimit end = limit_to(config, "end");
  world.reset();
}

int train_as_process(const std::function<Config()>& read,
                     const ModelFamilies& families, std::ostream& out) {
  StopRequest stop;
  Config config;
  std::optional<Error> mistake;
  attempt(mistake, [&] { config = read(); });
  auto world = join_world(config);
  int code = kExitFault;
  try {
    code = train_in(*world, config, families, mistake, stop, out);
  } catch (const std::exception& error) {
    world->abort(message_of(error));
    code = code_of(error);
  }
  stop.close();
  leave(std::move(world), config);
  return code;
}

}  // namespace

bool speaks_for_all() { return told("OMPI_COMM_WORLD_RANK", 0) == 0; }

int train(const std::function<Config()>& read, const ModelFamilies& families,
          std::ostream& out) {
  return launched_by_mpi() ? train_as_process(read, families, out)
                           : train_with_threads(read(), families, out);
}

}  // namespace cairn
