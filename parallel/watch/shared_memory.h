// Memory that processes of one host share. It has a name only until all have
// opened it, so that nothing is left over when they are killed.

#pragma once

#include <cstddef>
#include <string>

namespace cairn {

class SharedMemory {
 public:
  // Throws kDeviceFault, saying why the system refuses. `name` begins with a
  // slash; created memory is all zero.
  static SharedMemory create(const std::string& name, std::size_t bytes);
  static SharedMemory open(const std::string& name, std::size_t bytes);
  static void remove_name(const std::string& name);

  ~SharedMemory();

  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) = delete;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void* data() const { return data_; }

 private:
  SharedMemory(int file, const std::string& name, std::size_t bytes);

  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace cairn
