// Owns one end of an NCCL group. No call on it waits for ever.

#pragma once

#include <nccl.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "parallel/communicator.h"

namespace cairn {

class NcclHandle {
 public:
  // Why not to wait any longer, if so.
  using Cause = std::function<std::optional<std::string>()>;

  // Every member makes one with the id that one of them got from NCCL. Throws
  // kPeerLost when they have not all come within `timeout`, or when `cause`
  // tells of a failure.
  NcclHandle(const Group& group, ncclUniqueId id,
             std::chrono::milliseconds timeout, Cause cause);
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
  ncclComm_t comm_ = nullptr;
};

}  // namespace cairn
