#include "parallel/watch/process_mark.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>

namespace cairn {
namespace {

struct Stat {
  char state = 'X';  // as of a process that is gone
  std::uint64_t started = 0;
};

// The third and the twenty-second field of /proc/PID/stat. The second is the
// program's name in brackets, which may itself hold brackets and blanks.
Stat stat_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return {};
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  Stat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.started;
  return stat;
}

bool has_ended(char state) {
  return state == 'Z' || state == 'X' || state == 'x';
}

}  // namespace

ProcessMark this_process() { return process_of(getpid()); }

ProcessMark process_of(int pid) {
  const Stat stat = stat_of(pid);
  return {pid, has_ended(stat.state) ? 0 : stat.started};
}

bool is_alive(const ProcessMark& mark) {
  const Stat stat = stat_of(mark.pid);
  return !has_ended(stat.state) && stat.started == mark.started;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "this host";
  return name.data();
}

}  // namespace cairn
