#include "runtime/cuda/cuda_event.h"

#include <algorithm>
#include <limits>

#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {

FailureLog::Mark FailureLog::mark() {
  const std::lock_guard lock(mutex_);
  const bool clean = pending_ == 0 && !open_ && !failure_ && sources_.empty();
  return {number_, clean};
}

std::uint64_t FailureLog::begin(bool anew) {
  const std::lock_guard lock(mutex_);
  ++pending_;
  if (anew) ++number_;
  return number_;
}

void FailureLog::end() {
  const std::lock_guard lock(mutex_);
  --pending_;
}

std::uint64_t FailureLog::open() {
  const std::lock_guard lock(mutex_);
  open_ = true;
  return ++number_;
}

void FailureLog::fail(std::uint64_t number, std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (failure_ && failed_ <= number) return;
  failed_ = number;
  failure_ = std::move(failure);
}

void FailureLog::inherit(std::shared_ptr<CudaEvent> event) {
  if (event->clean()) return;
  bool many = false;
  {
    const std::lock_guard lock(mutex_);
    sources_.push_back({++number_, std::move(event)});
    many = sources_.size() >= many_;
  }
  if (many) drop_clean_sources();
}

// Looks at each source that was reached. So that this is rare, the next time is
// when there are twice as many as were left.
void FailureLog::drop_clean_sources() {
  std::vector<Source> clean =
      sources_until(std::numeric_limits<std::uint64_t>::max());
  std::erase_if(clean, [](const Source& source) {
    return !source.event->reached() || source.event->failure() != nullptr;
  });
  const std::lock_guard lock(mutex_);
  std::erase_if(sources_, [&](const Source& source) {
    return std::any_of(clean.begin(), clean.end(), [&](const Source& other) {
      return other.number == source.number;
    });
  });
  many_ = std::max(kFew, 2 * sources_.size());
}

std::vector<FailureLog::Source> FailureLog::sources_until(
    std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  std::vector<Source> sources = sources_;
  std::erase_if(sources, [number](const Source& source) {
    return source.number > number;
  });
  return sources;
}

// What sources answer is kept, so that each is asked once.
std::exception_ptr FailureLog::until(std::uint64_t number) {
  for (const Source& source : sources_until(number)) {
    if (auto failure = source.event->failure()) {
      fail(source.number, std::move(failure));
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  if (failure_ && failed_ <= number) return failure_;
  std::erase_if(sources_, [number](const Source& source) {
    return source.number <= number;
  });
  return nullptr;
}

void FailureLog::forget() {
  const std::lock_guard lock(mutex_);
  sources_.clear();
}

EventPool::Native EventPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      Native event = std::move(free_.back());
      free_.pop_back();
      return event;
    }
    free_.reserve(++made_);  // so that none is given back in vain
  }
  cudaEvent_t made = nullptr;
  check(cudaEventCreateWithFlags(&made, flags_), "making an event");
  return Native(made);
}

void EventPool::give(Native event) noexcept {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(event));
}

CudaEvent::CudaEvent(std::shared_ptr<FailureLog> log,
                     std::shared_ptr<EventPool> pool)
    : log_(std::move(log)),
      pool_(std::move(pool)),
      mark_(log_->mark()),
      event_(pool_->take()) {}

// An event that could not be recorded counts as issued: CUDA takes it for one
// that was reached.
void CudaEvent::issue(cudaStream_t stream) {
  const cudaError_t status = cudaEventRecord(event_.get(), stream);
  issued_.store(1, std::memory_order_release);
  issued_.notify_all();
  check(status, "recording an event");
}

bool CudaEvent::reached() const {
  return issued() && cudaEventQuery(event_.get()) != cudaErrorNotReady;
}

void CudaEvent::synchronize() {
  await_issue();
  check(cudaEventSynchronize(event_.get()), "waiting for an event");
  if (const auto failed = failure()) std::rethrow_exception(failed);
}

double CudaEvent::seconds_since(const Event& earlier) const {
  const auto* other = dynamic_cast<const CudaEvent*>(&earlier);
  require(other != nullptr, "times of two devices cannot be compared");
  require(reached() && other->reached(),
          "times are known once both events are reached");
  float milliseconds = 0.0F;
  check(cudaEventElapsedTime(&milliseconds, other->native(), native()),
        "the time between two events");
  return 1e-3 * static_cast<double>(milliseconds);
}

}  // namespace cairn
