#include "runtime/data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/error.h"

namespace cairn {

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  // Without waiting, so that a pipe is refused and not waited for.
  const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status {};
  const bool known = file >= 0 && fstat(file, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    const std::string reason =
        known ? "it is not a regular file" : std::strerror(errno);
    if (file >= 0) close(file);
    throw Error(Code::kBadArgument,
                "the tokens in " + path_ + " cannot be read: " + reason);
  }
  size_ = static_cast<std::size_t>(status.st_size);
  void* mapped = nullptr;
  if (size_ > 0) {
    mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  }
  const int error = errno;
  close(file);
  if (mapped == MAP_FAILED) {
    throw Error(Code::kBadArgument,
                "the tokens in " + path_ +
                    " cannot be mapped: " + std::strerror(error));
  }
  data_ = static_cast<std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace cairn
