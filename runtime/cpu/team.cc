#include "runtime/cpu/team.h"

#include <omp.h>

#include <algorithm>
#include <utility>

namespace cairn {
namespace {

// How often a waiting member looks before it sleeps: operations follow each
// other within microseconds, and a sleep costs more than that.
constexpr int kLooks = 4000;

template <typename Value>
void wait_while(const std::atomic<Value>& value, Value old) {
  for (int look = 0; look < kLooks; ++look) {
    if (value.load(std::memory_order_acquire) != old) return;
    __builtin_ia32_pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

int team_size(int threads) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return threads > 0 ? threads : std::max(cores, 1);
}

Team::Team(int threads) {
  const int wanted = team_size(threads);
  for (int member = 1; member < wanted; ++member) {
    helpers_.emplace_back([this, member] { help(member); });
  }
}

Team::~Team() {
  stop_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Team::run(std::int64_t pieces, Call call, const void* work) {
  omp_set_num_threads(1);
  pieces_ = pieces;
  call_ = call;
  work_ = work;
  next_.store(0, std::memory_order_relaxed);
  const bool alone = helpers_.empty() || pieces <= 1;
  if (!alone) {
    busy_.store(static_cast<std::uint32_t>(helpers_.size()),
                std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  take_pieces(0);
  if (!alone) {
    std::uint32_t busy = busy_.load(std::memory_order_acquire);
    while (busy != 0) {
      wait_while(busy_, busy);
      busy = busy_.load(std::memory_order_acquire);
    }
  }
  if (failed_.exchange(false)) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Team::help(int member) {
  omp_set_num_threads(1);
  std::uint32_t seen = 0;
  while (true) {
    wait_while(round_, seen);
    ++seen;
    if (stop_.load(std::memory_order_acquire)) return;
    take_pieces(member);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      busy_.notify_all();
    }
  }
}

void Team::take_pieces(int member) {
  try {
    while (true) {
      const std::int64_t piece = next_.fetch_add(1, std::memory_order_relaxed);
      if (piece >= pieces_) return;
      call_(work_, piece, member);
    }
  } catch (...) {
    if (!failed_.exchange(true)) failure_ = std::current_exception();
    next_.store(pieces_, std::memory_order_relaxed);
  }
}

}  // namespace cairn
