#include "runtime/cuda/cuda_stream.h"

#include <limits>
#include <utility>

#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

}  // namespace

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
