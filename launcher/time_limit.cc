#include "launcher/time_limit.h"

#include <sys/time.h>
#include <unistd.h>

#include <atomic>

#include "launcher/cli.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// A handler is given nothing but the signal's number, so this is global.
std::atomic<const std::string*> line{nullptr};
static_assert(std::atomic<const std::string*>::is_always_lock_free);

void on_signal(int) {
  const std::string* text = line.load();
  if (text == nullptr) return;
  static_cast<void>(!write(STDERR_FILENO, text->data(), text->size()));
  _exit(kExitFault);
}

void set_timer(std::chrono::milliseconds limit) {
  itimerval timer{};
  timer.it_value.tv_sec = limit.count() / 1000;
  timer.it_value.tv_usec = limit.count() % 1000 * 1000;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

TimeLimit::TimeLimit(std::chrono::milliseconds limit, const std::string& text)
    : line_("cairn: " + text + "\n") {
  const std::string* none = nullptr;
  require(line.compare_exchange_strong(none, &line_),
          "one TimeLimit at a time");
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, &earlier_);
  set_timer(limit);
}

TimeLimit::~TimeLimit() {
  set_timer(std::chrono::milliseconds(0));
  sigaction(SIGALRM, &earlier_, nullptr);
  line.store(nullptr);
}

}  // namespace cairn
