#include "parallel/watch/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

constexpr int kOwnerOnly = 0600;

[[noreturn]] void refuse(const char* call, const std::string& name,
                         std::size_t bytes) {
  throw Error(Code::kDeviceFault,
              std::string(call) + " of shared memory " + name + " of " +
                  std::to_string(bytes) +
                  " bytes failed: " + std::generic_category().message(errno) +
                  "; /dev/shm must have room for it");
}

}  // namespace

SharedMemory SharedMemory::create(const std::string& name, std::size_t bytes) {
  const int file =
      shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, kOwnerOnly);
  if (file < 0) refuse("shm_open", name, bytes);
  // Not ftruncate, after which a full system ends the process at first use.
  errno = posix_fallocate(file, 0, static_cast<off_t>(bytes));
  if (errno != 0) {
    const int why = errno;
    close(file);
    remove_name(name);
    errno = why;
    refuse("posix_fallocate", name, bytes);
  }
  return {file, name, bytes};
}

SharedMemory SharedMemory::open(const std::string& name, std::size_t bytes) {
  const int file = shm_open(name.c_str(), O_RDWR, kOwnerOnly);
  if (file < 0) refuse("shm_open", name, bytes);
  return {file, name, bytes};
}

void SharedMemory::remove_name(const std::string& name) {
  shm_unlink(name.c_str());
}

SharedMemory::SharedMemory(int file, const std::string& name, std::size_t bytes)
    : bytes_(bytes) {
  void* data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (data == MAP_FAILED) refuse("mmap", name, bytes);
  data_ = data;
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace cairn
