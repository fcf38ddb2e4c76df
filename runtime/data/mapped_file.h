// A file, mapped into memory to be read.

#pragma once

#include <cstddef>
#include <cstring>
#include <string>

namespace cairn {

class MappedFile {
 public:
  // Throws kBadArgument, naming the path and the system's reason.
  explicit MappedFile(std::string path);
  ~MappedFile();

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  // The T at `offset`, which need not be aligned and must be inside.
  template <typename T>
  T at(std::size_t offset) const {
    T value;
    std::memcpy(&value, data_ + offset, sizeof(T));
    return value;
  }

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cairn
