#include "runtime/cpu/cpu_stream.h"

#include <pthread.h>

#include <atomic>
#include <chrono>

#include "runtime/error.h"

namespace cairn {
namespace {

class CpuEvent final : public Event {
 public:
  bool reached() const override {
    return reached_.load(std::memory_order_acquire);
  }

  void synchronize() override {
    reached_.wait(false, std::memory_order_acquire);
    if (failure_) std::rethrow_exception(failure_);
  }

  double seconds_since(const Event& earlier) const override {
    const auto& other = static_cast<const CpuEvent&>(earlier);
    return std::chrono::duration<double>(time_ - other.time_).count();
  }

  void signal(const std::exception_ptr& failure) {
    failure_ = failure;
    time_ = std::chrono::steady_clock::now();
    reached_.store(true, std::memory_order_release);
    reached_.notify_all();
  }

 private:
  std::atomic<bool> reached_ = false;
  std::exception_ptr failure_;  // set before reached_
  std::chrono::steady_clock::time_point time_;
};

}  // namespace

CpuStream::CpuStream(std::string name)
    : name_(std::move(name)), ring_(kSlots), worker_([this] { serve(); }) {
  pthread_setname_np(worker_.native_handle(), name_.substr(0, 15).c_str());
}

CpuStream::~CpuStream() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

std::shared_ptr<Event> CpuStream::record() {
  auto event = std::make_shared<CpuEvent>();
  put([this, event] { event->signal(failure_); }, /*always=*/true);
  return event;
}

void CpuStream::wait(std::shared_ptr<Event> event) {
  enqueue([event = std::move(event)] { event->synchronize(); });
}

void CpuStream::synchronize() { record()->synchronize(); }

CpuStream::Slot& CpuStream::next_free() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return tail_ - head_ < kSlots; });
  return ring_[tail_ % kSlots];
}

void CpuStream::publish() {
  {
    const std::lock_guard lock(mutex_);
    ++tail_;
  }
  changed_.notify_all();
}

void CpuStream::serve() {
  while (true) {
    Slot* slot = nullptr;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || head_ != tail_; });
      if (head_ == tail_) return;  // asked to stop, and drained
      slot = &ring_[head_ % kSlots];
    }
    carry_out(*slot);
    {
      const std::lock_guard lock(mutex_);
      ++head_;
    }
    changed_.notify_all();
  }
}

void CpuStream::carry_out(Slot& slot) {
  if (!failure_ || slot.always) {
    try {
      slot.call(slot.bytes);
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  }
  slot.destroy(slot.bytes);
}

CpuStream& cpu_native(Stream& stream) {
  if (auto* native = dynamic_cast<CpuStream*>(&stream)) return *native;
  throw Error(Code::kBadArgument, "a cpu operation was given a stream of " +
                                      to_text(stream.device()));
}

}  // namespace cairn
