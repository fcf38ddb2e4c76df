// A stream served by one worker thread, as asynchronous as a device stream, so
// that a missing wait fails on a laptop under ThreadSanitizer.
//
// The queue is a ring of fixed-size slots made once: enqueueing allocates
// nothing, and waits for room when the ring is full, as a device's launch queue
// does.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/stream.h"

namespace cairn {

class CpuStream final : public Stream {
 public:
  explicit CpuStream(std::string name);
  ~CpuStream() override;

  CpuStream(const CpuStream&) = delete;
  CpuStream& operator=(const CpuStream&) = delete;

  Device device() const override { return {Device::Kind::kCpu, 0}; }
  const std::string& name() const override { return name_; }
  std::shared_ptr<Event> record() override;
  void wait(std::shared_ptr<Event> event) override;
  void enqueue_host(std::function<void()> work) override {
    enqueue(std::move(work));
  }
  void synchronize() override;

  // Runs `work` after everything enqueued before it, unless that failed.
  template <typename Work>
  void enqueue(Work work) {
    push(std::move(work), /*always=*/false);
  }

  // The same, after a failure too: for what must happen, such as giving memory
  // back. `work` must not throw.
  template <typename Work>
  void enqueue_always(Work work) {
    push(std::move(work), /*always=*/true);
  }

 private:
  static constexpr std::size_t kSlotBytes = 1024;
  static constexpr std::size_t kSlots = 1024;
  struct Slot {
    alignas(std::max_align_t) std::byte bytes[kSlotBytes];
    void (*call)(void*) = nullptr;
    void (*destroy)(void*) = nullptr;
    bool always = false;  // runs after a failure too: marks, not work
  };

  template <typename Work>
  void push(Work work, bool always) {
    static_assert(sizeof(Work) <= kSlotBytes, "raise kSlotBytes");
    static_assert(alignof(Work) <= alignof(std::max_align_t));
    Slot& slot = wait_for_slot();
    new (slot.bytes) Work(std::move(work));
    slot.call = [](void* w) { (*static_cast<Work*>(w))(); };
    slot.destroy = [](void* w) { static_cast<Work*>(w)->~Work(); };
    slot.always = always;
    publish_slot();
  }

  Slot& wait_for_slot();
  void publish_slot();
  void serve();
  void perform(Slot& slot);

  std::string name_;
  std::vector<Slot> ring_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t head_ = 0;        // guarded by mutex_; slots done so far
  std::size_t tail_ = 0;        // guarded by mutex_; slots filled so far
  bool stop_ = false;           // guarded by mutex_
  std::exception_ptr failure_;  // of worker_; read when the queue is empty
  std::thread worker_;          // last: joined before the rest dies
};

// The stream as the CPU body's own; the one downcast of that body. Throws
// kBadArgument, naming the device, when it is another's.
CpuStream& cpu_native(Stream& stream);

}  // namespace cairn
