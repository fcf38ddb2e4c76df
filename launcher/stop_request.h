// While one lives, SIGINT and SIGTERM ask for a stop instead of ending the
// process; a second signal of the same kind ends it. The handlers that were
// there come back with the destructor. At most one lives at a time, on any
// thread.

#pragma once

#include <array>
#include <csignal>

namespace cairn {

class StopRequest {
 public:
  StopRequest();
  ~StopRequest();

  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  bool requested() const;

  // It is decided how the process ends: from now on, and beyond the end of
  // this, such signals are ignored. Whoever starts many ranks may end them all
  // as soon as one has ended.
  void close();

 private:
  bool closed_ = false;
  std::array<struct sigaction, 2> earlier_{};
};

}  // namespace cairn
