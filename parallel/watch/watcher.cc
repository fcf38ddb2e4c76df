#include "parallel/watch/watcher.h"

#include <unistd.h>

#include <algorithm>

namespace cairn {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeat{100};

// A rank that has missed this many beats does not run, whatever its process is
// said to be.
constexpr milliseconds kStopped = 10 * kBeat;

// What ranks write at the same time mpirun passes on in no order; the cause is
// to stand before what came of it.
constexpr milliseconds kHeadStart{50};

std::string seconds_text(std::int64_t ms) {
  return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) +
         " s";
}

}  // namespace

Watcher::Watcher(WaitBoard& board, int place, milliseconds silence)
    : board_(board),
      place_(place),
      silence_(silence),
      pulses_(static_cast<std::size_t>(board.places())),
      silent_ms_(static_cast<std::size_t>(board.places())),
      thread_([this] { watch(); }) {}

Watcher::~Watcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watcher::watch() {
  Clock::time_point last = Clock::now();
  for (Pulse& pulse : pulses_) pulse.changed = last;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    const Clock::time_point now = Clock::now();
    // Who was held up himself cannot tell for how long others were silent.
    if (now - last > kStopped) {
      for (Pulse& pulse : pulses_) pulse.changed = now;
    }
    last = now;
    board_.beat(place_);
    if (!board_.failed()) {
      look();
      feel();
    }
    lock.lock();
    changed_.wait_for(lock, kBeat, [this] { return stop_; });
  }
}

void Watcher::look() {
  for (int place = 0; place < board_.places(); ++place) {
    if (place == place_ || !board_.present(place)) continue;
    if (is_alive(board_.mark(place))) continue;
    // One that leaves in order may end between the two looks.
    if (!board_.present(place)) continue;
    tell(name_of(place) + " is gone; " + board_.others(place));
  }
}

void Watcher::feel() {
  const Clock::time_point now = Clock::now();
  for (int place = 0; place < board_.places(); ++place) {
    const auto at = static_cast<std::size_t>(place);
    Pulse& pulse = pulses_[at];
    const std::uint64_t beats = board_.beats(place);
    if (place == place_ || !board_.present(place) || beats != pulse.beats) {
      pulse = {beats, now};
    }
    const auto silent =
        std::chrono::duration_cast<milliseconds>(now - pulse.changed);
    silent_ms_[at].store(silent.count());
    if (silent > std::max(silence_, kStopped)) blame({place}, "");
  }
}

void Watcher::blame(const std::vector<int>& places, const std::string& what) {
  look();
  for (const int place : places) {
    const auto silent = silent_ms_[static_cast<std::size_t>(place)].load();
    if (milliseconds(silent) < kStopped) continue;
    return tell(name_of(place) + " is silent for " + seconds_text(silent) +
                "; " + board_.others(place));
  }
  tell(what + "; " + board_.others(-1));
}

std::string Watcher::name_of(int place) const {
  return "rank " + std::to_string(board_.rank(place)) + " (pid " +
         std::to_string(board_.mark(place).pid) + " on " + host_name() + ")";
}

void Watcher::tell(const std::string& text) {
  if (!board_.claim_failure()) {
    board_.failure();
    return;
  }
  // One call, so that no other writer's text comes in between.
  const std::string line = text + "\n";
  static_cast<void>(!write(STDERR_FILENO, line.data(), line.size()));
  std::this_thread::sleep_for(kHeadStart);
  board_.tell_failure(text);
}

}  // namespace cairn
