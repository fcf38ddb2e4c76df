// While one lives, the process has so long to get through waits that it cannot
// end by itself, those for all ranks at the start and at the end of MPI. After
// that it prints `text` to stderr and exits with 4, without unwinding.
//
// At most one lives at a time, on any thread; it takes SIGALRM.

#pragma once

#include <chrono>
#include <csignal>
#include <string>

namespace cairn {

class TimeLimit {
 public:
  TimeLimit(std::chrono::milliseconds limit, const std::string& text);
  ~TimeLimit();

  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  std::string line_;
  struct sigaction earlier_ {};
};

}  // namespace cairn
