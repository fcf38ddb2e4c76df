#include "runtime/cpu/team.h"

#include <omp.h>

#include <algorithm>
#include <utility>

namespace cairn {
namespace {

constexpr int kSpins = 2000;

// OpenMP keeps its thread count for each thread, so that every member must say
// it; a stream's thread is first seen here.
void keep_openmp_single() {
  thread_local bool done = false;
  if (done) return;
  omp_set_num_threads(1);
  done = true;
}

// Rounds follow each other closely within an operation, so that a short spin
// mostly saves the sleep.
void wait_while_equal(const std::atomic<std::uint32_t>& value,
                      std::uint32_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

int team_size(int threads) {
  if (threads > 0) return threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

Team::Team(int threads) {
  const int helpers = team_size(threads) - 1;
  helpers_.reserve(static_cast<std::size_t>(helpers));
  try {
    for (int member = 1; member <= helpers; ++member) {
      helpers_.emplace_back([this, member] { help(member); });
    }
  } catch (...) {
    dismiss();
    throw;
  }
}

Team::~Team() { dismiss(); }

void Team::dismiss() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Team::run(std::int64_t pieces, Call call, const void* work) {
  keep_openmp_single();
  if (helpers_.empty() || pieces <= 1) {
    for (std::int64_t piece = 0; piece < pieces; ++piece) call(work, piece, 0);
    return;
  }
  pieces_ = pieces;
  call_ = call;
  work_ = work;
  failed_ = false;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<std::uint32_t>(helpers_.size()),
              std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  take_pieces(0);
  while (const std::uint32_t busy = busy_.load(std::memory_order_acquire)) {
    wait_while_equal(busy_, busy);
  }
  if (failed_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Team::help(int member) {
  keep_openmp_single();
  // Not read from round_: the first round may have started already.
  for (std::uint32_t seen = 0;; ++seen) {
    wait_while_equal(round_, seen);
    if (stop_) return;
    take_pieces(member);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void Team::take_pieces(int member) {
  try {
    while (!failed_.load(std::memory_order_relaxed)) {
      const std::int64_t piece = next_.fetch_add(1, std::memory_order_relaxed);
      if (piece >= pieces_) return;
      call_(work_, piece, member);
    }
  } catch (...) {
    if (!failed_.exchange(true)) failure_ = std::current_exception();
  }
}

}  // namespace cairn
