// Owns one end of an NCCL group. No call on it waits for ever.
//
// NCCL takes up to half a second to let go of a group, for its threads look
// only so often whether they are to end. NcclEndings has that done beside.

#pragma once

#include <nccl.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/communicator.h"

namespace cairn {

// Waits, when it dies, for what was begun to end. Threads: any may call it.
class NcclEndings {
 public:
  NcclEndings() = default;
  ~NcclEndings();

  NcclEndings(const NcclEndings&) = delete;
  NcclEndings& operator=(const NcclEndings&) = delete;

  // Lets go of a group that all members have done with.
  void begin(ncclComm_t comm);

 private:
  std::mutex mutex_;
  std::vector<std::thread> threads_;  // guarded by mutex_
};

class NcclHandle {
 public:
  // Why not to wait any longer, if so.
  using Cause = std::function<std::optional<std::string>()>;

  // Every member makes one with the id that one of them got from NCCL. Throws
  // kPeerLost when they have not all come within `timeout`, or when `cause`
  // tells of a failure. `endings` outlive it.
  NcclHandle(const Group& group, ncclUniqueId id,
             std::chrono::milliseconds timeout, Cause cause,
             NcclEndings& endings);
  ~NcclHandle();

  NcclHandle(const NcclHandle&) = delete;
  NcclHandle& operator=(const NcclHandle&) = delete;

  ncclComm_t get() const { return comm_; }

  // Waits until what was called has been enqueued; `call` names it.
  void settle(const std::string& call);

  // What NCCL found meanwhile, if that is a fault.
  std::optional<std::string> fault() const;

  // Ends what is under way, on this rank; the handle is empty afterwards.
  void abort();

 private:
  std::chrono::milliseconds timeout_;
  Cause cause_;
  NcclEndings& endings_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace cairn
