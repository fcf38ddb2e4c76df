// Owns one handle of a C library and gives it to `release` at the end. What
// release answers is dropped: nobody could act on it.

#pragma once

#include <utility>

namespace cairn {

template <typename T, auto release>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T handle) : handle_(handle) {}
  ~Handle() {
    if (handle_ != nullptr) static_cast<void>(release(handle_));
  }

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  Handle(Handle&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  T get() const { return handle_; }

 private:
  T handle_ = nullptr;
};

}  // namespace cairn
