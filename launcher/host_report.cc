#include "launcher/host_report.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <system_error>

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 6> kVectors = {
    "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "avx_vnni"};

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// The lines "name : value" of a file; of a name that comes again, the first.
std::map<std::string, std::string> values_of(const fs::path& file) {
  std::map<std::string, std::string> values;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    values.emplace(trimmed(line.substr(0, colon)),
                   trimmed(line.substr(colon + 1)));
  }
  return values;
}

// A number at the begin of a text, if there is one.
std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

// Folders or files `prefix`N.
int numbered(const fs::path& folder, const std::string& prefix) {
  std::error_code absent;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder, absent)) {
    const std::string name = entry.path().filename();
    if (name.rfind(prefix, 0) == 0 && number(name.substr(prefix.size()))) {
      ++count;
    }
  }
  return count;
}

std::int64_t free_bytes(const fs::path& folder) {
  std::error_code absent;
  const fs::space_info space = fs::space(folder, absent);
  return absent ? 0 : static_cast<std::int64_t>(space.available);
}

void read_cpu(const fs::path& root, HostReport& report) {
  const auto values = values_of(root / "proc/cpuinfo");
  if (const auto name = values.find("model name"); name != values.end()) {
    report.cpu = name->second;
  }
  if (const auto flags = values.find("flags"); flags != values.end()) {
    std::istringstream in(flags->second);
    std::set<std::string> words;
    for (std::string word; in >> word;) words.insert(word);
    for (const char* each : kVectors) {
      if (words.count(each) > 0) report.vectors.emplace_back(each);
    }
  }
  report.cores = numbered(root / "sys/devices/system/cpu", "cpu");
  report.numa_nodes = numbered(root / "sys/devices/system/node", "node");
}

void read_memory(const fs::path& root, HostReport& report) {
  const auto values = values_of(root / "proc/meminfo");
  const auto bytes = [&](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? 0 : 1024 * number(found->second).value_or(0);
  };
  report.memory_bytes = bytes("MemTotal");
  report.available_bytes = bytes("MemAvailable");
}

// Version 2 of control groups, then version 1, which writes "no limit" as a
// number that no machine has.
void read_control_group(const fs::path& root, HostReport& report) {
  const fs::path group = root / "sys/fs/cgroup";
  std::istringstream cpu(text_of(group / "cpu.max"));
  double quota = 0;
  double period = 0;
  if (cpu >> quota >> period && period > 0) report.core_limit = quota / period;
  auto limit = number(text_of(group / "memory.max"));
  if (!limit) limit = number(text_of(group / "memory/memory.limit_in_bytes"));
  if (limit && *limit < (std::int64_t{1} << 60)) report.memory_limit = limit;
}

void read_lock_limit(const fs::path& root, HostReport& report) {
  const std::string name = "Max locked memory";
  std::ifstream in(root / "proc/self/limits");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name, 0) == 0) {
      report.lock_limit = number(trimmed(line.substr(name.size())));
    }
  }
}

}  // namespace

HostReport host_report(const fs::path& root) {
  HostReport report;
  read_cpu(root, report);
  read_memory(root, report);
  read_control_group(root, report);
  read_lock_limit(root, report);
  report.shm_bytes = free_bytes(root / "dev/shm");
  report.disk_bytes = free_bytes(root == "/" ? fs::path(".") : root);
  report.nvidia_nodes = fs::exists(root / "dev/nvidiactl");
  return report;
}

}  // namespace cairn
