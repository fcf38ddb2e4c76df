// A ProcessMark tells a process of this host from a later one that was given
// the same number.

#pragma once

#include <cstdint>
#include <string>

namespace cairn {

struct ProcessMark {
  int pid = 0;
  std::uint64_t started = 0;  // in the kernel's ticks since the host began
};

ProcessMark this_process();

// The mark of a running process by its number; `started` is 0 if there is none.
ProcessMark process_of(int pid);

// False once the process has ended, whether or not its parent has noticed.
bool is_alive(const ProcessMark& mark);

std::string host_name();

}  // namespace cairn
