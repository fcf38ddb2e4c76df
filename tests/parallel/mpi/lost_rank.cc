// Three ranks, of which rank 2 is killed or stopped while the others work:
// lost_rank PHASE SIGNAL. lost_rank.cmake looks at what they say.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "parallel/worlds.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr int kVictim = 2;
constexpr int kFault = 4;

// As a trainer does, which ends in order when it is told to.
volatile std::sig_atomic_t told_to_end = 0;
void on_signal(int) { told_to_end = 1; }

// Once the others are where they will be found.
void fall(int signal) {
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  kill(getpid(), signal);
  // Where it was only stopped, mpirun wakes it to end it.
  while (told_to_end == 0) pause();
  _exit(0);
}

struct Rank {
  World& world;
  Communicator& comm;
  CpuStream& stream;
  std::vector<float> memory;

  TensorView view(std::int64_t elements) {
    memory.resize(static_cast<std::size_t>(elements));
    return {
        reinterpret_cast<std::byte*>(memory.data()), DType::kF32, {elements}};
  }
};

// All wait for the victim.
void gather(Rank& rank, int signal) {
  if (rank.world.rank() == kVictim) return fall(signal);
  const TensorView whole = rank.view(3 * 1024);
  rank.comm.all_gather(rank.stream, whole.part(0, {1024}), whole);
  rank.stream.synchronize();
}

// The victim falls in the midst of moving bytes.
void reduce(Rank& rank, int signal) {
  const TensorView x = rank.view(std::int64_t{8} << 20);
  std::thread fate;
  if (rank.world.rank() == kVictim) fate = std::thread([&] { fall(signal); });
  for (;;) {
    rank.comm.all_reduce(rank.stream, x);
    rank.stream.synchronize();
  }
}

void await_loss(Rank& rank) {
  for (;;) {
    if (const auto why = rank.world.lost()) throw Error(Code::kPeerLost, *why);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// One waits for the victim, the other computes.
void channel(Rank& rank, int signal) {
  if (rank.world.rank() == kVictim) return fall(signal);
  if (rank.world.rank() == 0) return await_loss(rank);
  rank.comm.receive(rank.stream, rank.view(1024), kVictim);
  rank.stream.synchronize();
}

// Nobody waits. What counts is that all learn of it before mpirun ends them.
void compute(Rank& rank, int signal) {
  if (rank.world.rank() == kVictim) return fall(signal);
  while (told_to_end == 0 && !rank.world.lost()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  await_loss(rank);
}

int run(const std::string& phase, int signal) {
  const auto world = make_mpi_world({.timeout = std::chrono::seconds(2)});
  const auto comm = world->make("data", {0, 1, 2});
  CpuStream stream("comm");
  Rank rank{*world, *comm, stream, {}};
  try {
    if (phase == "gather") gather(rank, signal);
    if (phase == "reduce") reduce(rank, signal);
    if (phase == "channel") channel(rank, signal);
    if (phase == "compute") compute(rank, signal);
  } catch (const Error& error) {
    std::cerr << "rank " + std::to_string(world->rank()) +
                     " ended: " + error.message() + "\n";
    return kFault;
  }
  return 0;
}

}  // namespace
}  // namespace cairn

int main(int, char** argv) {
  std::signal(SIGTERM, cairn::on_signal);
  return cairn::run(argv[1],
                    std::string(argv[2]) == "KILL" ? SIGKILL : SIGSTOP);
}
