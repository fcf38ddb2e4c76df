#include "launcher/stop_request.h"

#include <atomic>
#include <cstddef>

#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};

// A handler is given nothing but the signal's number, so these are global.
std::atomic<bool> installed{false};
std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int) { stop.store(true); }

}  // namespace

StopRequest::StopRequest() {
  require(!installed.exchange(true), "one StopRequest at a time");
  stop.store(false);
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &earlier_[i]);
  }
}

StopRequest::~StopRequest() {
  for (std::size_t i = 0; i < kSignals.size() && !closed_; ++i) {
    sigaction(kSignals[i], &earlier_[i], nullptr);
  }
  installed.store(false);
}

bool StopRequest::requested() const { return stop.load(); }

void StopRequest::close() {
  closed_ = true;
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

}  // namespace cairn
