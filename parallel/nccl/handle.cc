#include "parallel/nccl/handle.h"

#include <utility>

#include "parallel/nccl/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

using Clock = std::chrono::steady_clock;

// What peers may take to end with this one when all is well.
constexpr std::chrono::seconds kEnding{10};

}  // namespace

NcclEndings::~NcclEndings() {
  for (std::thread& thread : threads_) thread.join();
}

void NcclEndings::begin(ncclComm_t comm) {
  const std::lock_guard lock(mutex_);
  threads_.emplace_back([comm] { ncclCommDestroy(comm); });
}

NcclHandle::NcclHandle(const Group& group, ncclUniqueId id,
                       std::chrono::milliseconds timeout, Cause cause,
                       NcclEndings& endings)
    : timeout_(timeout), cause_(std::move(cause)), endings_(endings) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const std::string call = "making group " + group.name;
  try {
    check(ncclCommInitRankConfig(&comm_, group.size(), id, group.rank, &config),
          call);
    settle(call);
  } catch (...) {
    abort();
    throw;
  }
}

// In order where all of the group do the same; otherwise without the others.
NcclHandle::~NcclHandle() {
  if (comm_ == nullptr) return;
  timeout_ = kEnding;
  try {
    check(ncclCommFinalize(comm_), "ending a group");
    settle("ending a group");
    endings_.begin(comm_);
  } catch (const std::exception&) {
    abort();
  }
}

void NcclHandle::settle(const std::string& call) {
  const Clock::time_point begin = Clock::now();
  for (int polls = 0;; ++polls) {
    ncclResult_t state = ncclSuccess;
    check(ncclCommGetAsyncError(comm_, &state), call);
    check(state, call);
    if (state == ncclSuccess) return;
    const auto cause = cause_();
    if (cause || Clock::now() - begin > timeout_) {
      throw Error(Code::kPeerLost, call + " by NCCL was not over after " +
                                       std::to_string(timeout_.count()) +
                                       " ms" + (cause ? ": " + *cause : ""));
    }
    if (polls < 1000) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
}

std::optional<std::string> NcclHandle::fault() const {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t answer = ncclCommGetAsyncError(comm_, &state);
  if (answer != ncclSuccess) return text_of(answer);
  if (state == ncclSuccess || state == ncclInProgress) return std::nullopt;
  return text_of(state);
}

void NcclHandle::abort() {
  ncclComm_t comm = std::exchange(comm_, nullptr);
  if (comm != nullptr) ncclCommAbort(comm);
}

}  // namespace cairn
