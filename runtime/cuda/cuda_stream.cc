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
  std::vector<Source> clean = sources_until(kAll);
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

CudaStream::CudaStream(std::string name, int device)
    : name_(std::move(name)),
      device_(device),
      log_(std::make_shared<FailureLog>()),
      marks_(std::make_shared<EventPool>(cudaEventDefault)),
      blocking_(std::make_shared<EventPool>(cudaEventBlockingSync |
                                            cudaEventDisableTiming)),
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
  auto event = std::make_shared<CudaEvent>(log_, marks_);
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
          "making stream ", name_, " wait");
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
          [log = log_, number = log_->open()](std::exception_ptr failure) {
            log->fail(number, std::move(failure));
          }};
}

void CudaStream::queue(std::function<void()> work) {
  lane_.enqueue(
      [this, work = std::move(work), number = log_->begin(/*anew=*/false)] {
        perform(number, work);
      });
}

// A failure of what stands before keeps the work from being done.
void CudaStream::enqueue_host(std::function<void()> work) {
  auto before = std::make_shared<CudaEvent>(log_, blocking_);
  lane_.enqueue([this, before, work = std::move(work),
                 number = log_->begin(/*anew=*/true)] {
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
  log_->end();
}

void CudaStream::synchronize() {
  lane_.settle();
  check(cudaStreamSynchronize(stream_.get()), "work on stream ", name_, " of ",
        to_text(device()));
  if (const auto failure = log_->until(kAll)) std::rethrow_exception(failure);
}

CudaStream& cuda_stream(Stream& stream) {
  if (auto* own = dynamic_cast<CudaStream*>(&stream)) return *own;
  throw Error(Code::kBadArgument,
              "a stream of " + to_text(stream.device()) + " was given to cuda");
}

}  // namespace cairn
