#include "runtime/cuda/cuda_stream.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

struct HostWork {
  std::shared_ptr<FailureLog> log;
  std::uint64_t number;
  std::function<void()> work;
};

void run_host_work(void* argument) {
  const std::unique_ptr<HostWork> host(static_cast<HostWork*>(argument));
  if (host->log->until(host->number)) return;
  try {
    host->work();
  } catch (...) {
    host->log->fail(host->number, std::current_exception());
  }
}

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

CudaEvent::CudaEvent(cudaStream_t stream, std::shared_ptr<FailureLog> log)
    : log_(std::move(log)), number_(log_->now()) {
  cudaEvent_t made = nullptr;
  check(cudaEventCreate(&made), "making an event");
  event_ = Handle<cudaEvent_t, cudaEventDestroy>(made);
  check(cudaEventRecord(made, stream), "recording an event");
}

bool CudaEvent::reached() const {
  return cudaEventQuery(event_.get()) != cudaErrorNotReady;
}

void CudaEvent::synchronize() {
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
      log_(std::make_shared<FailureLog>()) {
  check(cudaSetDevice(device), "choosing " + to_text(this->device()));
  cudaStream_t made = nullptr;
  check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking),
        "making stream " + name_);
  stream_ = Handle<cudaStream_t, cudaStreamDestroy>(made);
}

CudaStream::~CudaStream() {
  static_cast<void>(cudaStreamSynchronize(stream_.get()));
  log_->forget();  // logs and events may hold each other
}

std::shared_ptr<Event> CudaStream::record() {
  return std::make_shared<CudaEvent>(stream_.get(), log_);
}

void CudaStream::wait(std::shared_ptr<Event> event) {
  auto own = std::dynamic_pointer_cast<CudaEvent>(event);
  if (!own) {
    enqueue_host([event = std::move(event)] { event->synchronize(); });
    return;
  }
  check(cudaStreamWaitEvent(stream_.get(), own->native(), 0),
        "making stream " + name_ + " wait");
  log_->inherit(std::move(own));
}

void CudaStream::enqueue_host(std::function<void()> work) {
  auto host = std::make_unique<HostWork>();
  host->log = log_;
  host->number = log_->count();
  host->work = std::move(work);
  check(cudaLaunchHostFunc(stream_.get(), run_host_work, host.get()),
        "enqueueing host work on stream " + name_);
  static_cast<void>(host.release());  // run_host_work owns it
}

void CudaStream::synchronize() {
  check(cudaStreamSynchronize(stream_.get()),
        "work on stream " + name_ + " of " + to_text(device()));
  if (const auto failure = log_->until(kAll)) std::rethrow_exception(failure);
}

cudaStream_t cuda_native(Stream& stream) {
  if (auto* own = dynamic_cast<CudaStream*>(&stream)) return own->native();
  throw Error(Code::kBadArgument,
              "a stream of " + to_text(stream.device()) + " was given to cuda");
}

}  // namespace cairn
