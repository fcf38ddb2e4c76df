// A communicator of ranks that each have a CUDA device, by NCCL on the given
// stream.
//
// Sums by NCCL itself are in an order that depends on its algorithm. In rank
// order members exchange their parts, and each adds up its own: nothing is sent
// twice that NCCL would send once.
//
// NCCL does not compare what members bring. What does not fit waits until the
// watch gives it up.

#pragma once

#include <nccl.h>

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "parallel/nccl/handle.h"
#include "parallel/nccl/watch.h"
#include "parallel/operation/checked_communicator.h"
#include "parallel/worlds.h"
#include "runtime/backend.h"
#include "runtime/cuda_place.h"

namespace cairn {

class NcclCommunicator final : public CheckedCommunicator, private Watched {
 public:
  NcclCommunicator(const Group& group, ncclUniqueId id, Backend& backend,
                   NcclWatch& watch, NcclEndings& endings,
                   const NcclOptions& options);
  ~NcclCommunicator() override;

  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

 private:
  using Clock = std::chrono::steady_clock;

  // An operation that may not be over.
  struct Flight {
    Summons call;
    std::shared_ptr<Event> begin;
    std::shared_ptr<Event> end;
    CudaPlace place;
    std::optional<Clock::time_point> seen;  // when it was first seen to run
  };

  void enqueue(Stream& stream, const Operation& operation) override;
  std::optional<std::string> look() override;
  void end(const std::string& cause) override;

  void connect();
  void load_sums(DType dtype);
  void perform(Stream& stream, const Operation& operation);
  void gather(const TensorView& from, const TensorView& to);
  void scatter(Stream& stream, const TensorView& from, const TensorView& to);
  void reduce(Stream& stream, const TensorView& x);
  void reduce_whole(Stream& stream, const TensorView& x);
  void exchange(const TensorView& from, std::int64_t stride,
                const TensorView& parts);
  TensorView scratch(DType dtype, std::int64_t elements) const {
    return {scratch_.data(), dtype, {elements}};
  }
  bool is_own(int member) const { return member == group().rank; }

  Backend& backend_;
  NcclWatch& watch_;
  NcclOptions options_;
  std::unique_ptr<Stream> owner_;  // in whose order scratch_ is taken
  // For sums in rank order, or a barrier alone. Taken before ranks wait for
  // each other: a device that gives memory may first end what it has to do.
  Buffer scratch_;
  std::mutex mutex_;
  NcclHandle handle_;              // guarded by mutex_, as is all below
  cudaStream_t native_ = nullptr;  // of the operation in the making
  std::deque<Flight> flights_;
  std::optional<std::string> fault_;  // of a call
};

}  // namespace cairn
