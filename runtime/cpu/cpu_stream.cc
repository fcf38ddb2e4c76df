#include "runtime/cpu/cpu_stream.h"

#include <atomic>
#include <chrono>
#include <cstdint>

#include "runtime/error.h"

namespace cairn {
namespace {

using Clock = std::chrono::steady_clock;

class CpuEvent final : public Event {
 public:
  bool reached() const override {
    return reached_.load(std::memory_order_acquire) != 0;
  }

  void synchronize() override {
    reached_.wait(0, std::memory_order_acquire);
    if (failure_) std::rethrow_exception(failure_);
  }

  double seconds_since(const Event& earlier) const override {
    const auto* other = dynamic_cast<const CpuEvent*>(&earlier);
    require(other != nullptr, "times of two devices cannot be compared");
    require(reached() && other->reached(),
            "times are known once both events are reached");
    return std::chrono::duration<double>(time_ - other->time_).count();
  }

  void reach(std::exception_ptr failure) {
    failure_ = std::move(failure);
    time_ = Clock::now();
    reached_.store(1, std::memory_order_release);
    reached_.notify_all();
  }

 private:
  std::exception_ptr failure_;
  Clock::time_point time_;
  std::atomic<std::uint32_t> reached_ = 0;  // publishes the two above
};

}  // namespace

CpuStream::CpuStream(std::string name)
    : name_(std::move(name)), ring_(kSlots), worker_([this] { serve(); }) {}

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
  enqueue_always([this, event] { event->reach(failure_); });
  return event;
}

void CpuStream::wait(std::shared_ptr<Event> event) {
  // Waits after a failure too: memory given back later may still be in use by
  // the other stream.
  enqueue_always([this, event = std::move(event)] {
    try {
      event->synchronize();
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  });
}

void CpuStream::synchronize() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return head_ == tail_; });
  if (failure_) std::rethrow_exception(failure_);
}

CpuStream::Slot& CpuStream::wait_for_slot() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return tail_ - head_ < kSlots; });
  return ring_[tail_ % kSlots];
}

void CpuStream::publish_slot() {
  {
    const std::lock_guard lock(mutex_);
    ++tail_;
  }
  changed_.notify_all();
}

void CpuStream::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return head_ != tail_ || stop_; });
    if (head_ == tail_) return;
    Slot& slot = ring_[head_ % kSlots];
    lock.unlock();
    perform(slot);
    lock.lock();
    ++head_;
    changed_.notify_all();
  }
}

void CpuStream::perform(Slot& slot) {
  try {
    if (slot.always || !failure_) slot.call(slot.bytes);
  } catch (...) {
    if (!failure_) failure_ = std::current_exception();
  }
  slot.destroy(slot.bytes);
}

CpuStream& cpu_native(Stream& stream) {
  if (auto* native = dynamic_cast<CpuStream*>(&stream)) return *native;
  throw Error(Code::kBadArgument, "a stream of " + to_text(stream.device()) +
                                      " was given to the cpu");
}

}  // namespace cairn
