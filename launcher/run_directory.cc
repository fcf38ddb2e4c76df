#include "launcher/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

std::string advice(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space or set run.directory to another drive";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; set run.directory to a place you may write to";
    case ENOTDIR:
    case EEXIST:
      return "; a file is in the way, set run.directory to another path";
    default:
      return "; set run.directory to another path";
  }
}

[[noreturn]] void refuse(const std::string& attempt, const fs::path& path,
                         const std::error_code& error) {
  throw Error(Code::kBadArgument, attempt + " " + path.string() + ": " +
                                      error.message() + advice(error.value()));
}

std::error_code last_error() { return {errno, std::system_category()}; }

void write_file(const fs::path& file, std::string_view text) {
  LineFile(file).append(text);
}

// Removed at the end unless it was renamed.
class Temporary {
 public:
  explicit Temporary(const fs::path& beside) {
    path_ = beside.string() + ".tmp-" + std::to_string(::getpid());
    std::error_code error;
    fs::create_directories(path_ / "log", error);
    if (error) refuse("making the run directory", beside, error);
  }
  ~Temporary() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

fs::path normalised(const fs::path& directory) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(directory, error);
  if (error) refuse("making the run directory", directory, error);
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

fs::path next_free(const fs::path& path) {
  for (int number = 1;; ++number) {
    fs::path candidate = path.string() + "." + std::to_string(number);
    std::error_code ignored;
    if (!fs::exists(fs::symlink_status(candidate, ignored))) return candidate;
  }
}

// Whether an earlier run is there. Refuses what is neither a run nor empty.
bool holds_run(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return false;
  if (!fs::is_directory(status)) {
    refuse("making the run directory", path,
           std::make_error_code(std::errc::not_a_directory));
  }
  if (fs::exists(path / "metrics.jsonl", error)) return true;
  const bool empty = fs::is_empty(path, error);
  if (error) refuse("looking into the run directory", path, error);
  if (!empty) {
    throw Error(Code::kBadArgument,
                "run directory " + path.string() +
                    " holds other files and no run; set run.directory to a "
                    "new or empty one");
  }
  return false;
}

void publish(const fs::path& filled, const fs::path& path, std::ostream& out) {
  std::error_code error;
  fs::path aside;
  if (holds_run(path)) {
    aside = next_free(path);
    fs::rename(path, aside, error);
    if (error) refuse("moving aside the earlier run", path, error);
  }
  fs::rename(filled, path, error);
  if (error) {
    std::error_code ignored;
    if (!aside.empty()) fs::rename(aside, path, ignored);
    refuse("making the run directory", path, error);
  }
  if (!aside.empty()) {
    out << "the earlier run in " << path.string() << " is now in "
        << aside.string() << '\n';
  }
}

fs::path create(const fs::path& directory, const RunDirectory::Files& files,
                std::ostream& out) {
  fs::path path = normalised(directory);
  holds_run(path);
  const Temporary temporary(path);
  write_file(temporary.path() / "config.toml", files.config_toml);
  write_file(temporary.path() / "plan.json", files.plan_json);
  const LineFile metrics(temporary.path() / "metrics.jsonl");
  publish(temporary.path(), path, out);
  return path;
}

}  // namespace

LineFile::LineFile(fs::path file) : file_(std::move(file)) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  descriptor_ = ::open(file_.c_str(), kFlags, 0666);
  if (descriptor_ < 0) refuse("opening", file_, last_error());
}

LineFile::~LineFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

LineFile::LineFile(LineFile&& other) noexcept
    : file_(std::move(other.file_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

LineFile& LineFile::operator=(LineFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void LineFile::append(std::string_view line) {
  std::string text(line);
  text += '\n';
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse("writing", file_, last_error());
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

RunDirectory::RunDirectory(const fs::path& directory, const Files& files,
                           std::ostream& out)
    : path_(create(directory, files, out)), metrics_(path_ / "metrics.jsonl") {}

}  // namespace cairn
