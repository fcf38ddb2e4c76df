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

 private:
  std::array<struct sigaction, 2> earlier_{};
};

}  // namespace cairn
