#include "runtime/cuda/cuda_stream.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

}  // namespace

std::uint64_t FailureLog::count() {
  const std::lock_guard lock(mutex_);
  return ++number_;
}

std::uint64_t FailureLog::now() {
  const std::lock_guard lock(mutex_);
  return number_;
}

// Events that were reached without failure have nothing to hand down.
void FailureLog::inherit(std::shared_ptr<CudaEvent> event) {
  const auto is_over = [](const Source& source) {
    return source.event->reached() && !source.event->failure();
  };
  std::vector<Source> kept;
  {
    const std::lock_guard lock(mutex_);
    kept.swap(sources_);
    kept.push_back({++number_, std::move(event)});
  }
  kept.erase(std::remove_if(kept.begin(), kept.end(), is_over), kept.end());
  const std::lock_guard lock(mutex_);
  sources_.insert(sources_.end(), kept.begin(), kept.end());
}

void FailureLog::fail(std::uint64_t number, std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (failure_) return;
  failed_ = number;
  failure_ = std::move(failure);
}

std::exception_ptr FailureLog::until(std::uint64_t number) {
  std::vector<Source> sources;
  {
    const std::lock_guard lock(mutex_);
    if (failure_ && failed_ <= number) return failure_;
    sources = sources_;
  }
  for (const Source& source : sources) {
    if (source.number > number) continue;
    if (auto failure = source.event->failure()) return failure;
  }
  return nullptr;
}

void FailureLog::forget() {
  const std::lock_guard lock(mutex_);
  sources_.clear();
}

CudaEvent::CudaEvent(std::shared_ptr<FailureLog> log, unsigned flags)
    : log_(std::move(log)), number_(log_->now()) {
  cudaEvent_t made = nullptr;
  check(cudaEventCreateWithFlags(&made, flags), "making an event");
  event_ = Handle<cudaEvent_t, cudaEventDestroy>(made);
}

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

CudaStream::CudaStream(std::string name, int device)
    : name_(std::move(name)),
      device_(device),
      log_(std::make_shared<FailureLog>()),
      lane_(name_, device) {
  check(cudaSetDevice(device), "choosing " + to_text(this->device()));
  cudaStream_t made = nullptr;
  check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking),
        "making stream " + name_);
  stream_ = Handle<cudaStream_t, cudaStreamDestroy>(made);
}

CudaStream::~CudaStream() {
  lane_.settle();
  static_cast<void>(cudaStreamSynchronize(stream_.get()));
  log_->forget();  // logs and events may hold each other
}

std::shared_ptr<Event> CudaStream::record() {
  auto event = std::make_shared<CudaEvent>(log_);
  issue([event](cudaStream_t stream) { event->issue(stream); });
  return event;
}

void CudaStream::wait(std::shared_ptr<Event> event) {
  auto own = std::dynamic_pointer_cast<CudaEvent>(event);
  if (!own) {
    enqueue_host([event = std::move(event)] { event->synchronize(); });
    return;
  }
  const auto hold = [this, own] {
    own->await_issue();
    check(cudaStreamWaitEvent(stream_.get(), own->native(), 0),
          "making stream " + name_ + " wait");
  };
  if (lane_.idle() && own->issued()) {
    hold();
  } else {
    queue(hold);
  }
  log_->inherit(std::move(own));
}

CudaPlace CudaStream::place() {
  cudaStream_t stream = native();
  return {stream,
          [log = log_, number = log_->count()](std::exception_ptr failure) {
            log->fail(number, std::move(failure));
          }};
}

void CudaStream::queue(std::function<void()> work) {
  lane_.enqueue([this, work = std::move(work), number = log_->now()] {
    perform(number, work);
  });
}

// A failure of what stands before keeps the work from being done.
void CudaStream::enqueue_host(std::function<void()> work) {
  auto before = std::make_shared<CudaEvent>(
      log_, cudaEventBlockingSync | cudaEventDisableTiming);
  lane_.enqueue([this, before, work = std::move(work), number = log_->count()] {
    perform(number, [&] {
      before->issue(stream_.get());
      before->synchronize();
      work();
    });
  });
}

void CudaStream::perform(std::uint64_t number,
                         const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    log_->fail(number, std::current_exception());
  }
}

void CudaStream::synchronize() {
  lane_.settle();
  check(cudaStreamSynchronize(stream_.get()),
        "work on stream " + name_ + " of " + to_text(device()));
  if (const auto failure = log_->until(kAll)) std::rethrow_exception(failure);
}

CudaStream& cuda_stream(Stream& stream) {
  if (auto* own = dynamic_cast<CudaStream*>(&stream)) return *own;
  throw Error(Code::kBadArgument,
              "a stream of " + to_text(stream.device()) + " was given to cuda");
}

}  // namespace cairn
