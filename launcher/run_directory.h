// The directory a run writes: config.toml, plan.json, metrics.jsonl, log/.
//
// It appears in one piece: filled under a temporary name beside its place, then
// renamed. A run that is already there is moved aside to DIRECTORY.1, .2 and so
// on; other files are never touched. Errors are kBadArgument and name the path,
// the system's reason and the way out.

#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>

namespace cairn {

// Appends to a file, each line with one write.
class LineFile {
 public:
  explicit LineFile(std::filesystem::path file);
  ~LineFile();

  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  LineFile(LineFile&& other) noexcept;
  LineFile& operator=(LineFile&& other) noexcept;

  // `line` comes without its newline.
  void append(std::string_view line);

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

class RunDirectory {
 public:
  // What it holds from the start.
  struct Files {
    std::string config_toml;
    std::string plan_json;
  };

  // Tells the user on `out`, in one line, where an earlier run went.
  RunDirectory(const std::filesystem::path& directory, const Files& files,
               std::ostream& out);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path log() const { return path_ / "log"; }
  LineFile& metrics() { return metrics_; }

 private:
  std::filesystem::path path_;
  LineFile metrics_;
};

}  // namespace cairn
