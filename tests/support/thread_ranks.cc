#include "tests/support/thread_ranks.h"

#include <exception>
#include <thread>
#include <vector>

#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {
namespace {

bool blames_a_peer(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error.code() == Code::kPeerLost;
  } catch (...) {
    return false;
  }
}

}  // namespace

void on_threads(int ranks, const std::function<void(World&)>& work) {
  const auto worlds = make_thread_worlds(ranks, {});
  std::vector<std::exception_ptr> failures(worlds.size());
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < worlds.size(); ++r) {
    threads.emplace_back([&, r] {
      try {
        work(*worlds[r]);
      } catch (const std::exception& error) {
        failures[r] = std::current_exception();
        worlds[r]->abort(error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::exception_ptr first;
  for (const std::exception_ptr& failure : failures) {
    if (!failure) continue;
    if (!first || (blames_a_peer(first) && !blames_a_peer(failure))) {
      first = failure;
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace cairn
