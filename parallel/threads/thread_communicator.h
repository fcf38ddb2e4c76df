// A communicator of ranks that are threads of one process. Members read each
// other's operands where they lie; each sums its own part, then shares it.

#pragma once

#include <memory>

#include "parallel/operation/ordered_sum.h"
#include "parallel/operation/queued_communicator.h"
#include "parallel/threads/hub.h"

namespace cairn {

class ThreadCommunicator final : public QueuedCommunicator {
 public:
  // `rank` is this end's in the world.
  ThreadCommunicator(std::shared_ptr<Hub> hub, int rank, const Group& group);

 private:
  void perform(const Operation& operation) override;
  void meet(Meeting& meeting, int member, const Operation& operation);
  void agree(Meeting& meeting, const std::vector<Brought>& calls);
  void together(const Operation& operation);
  void over_channel(const Operation& operation);

  void gather(const TensorView& from, const TensorView& to);
  void sum_part(const TensorView& out, ElementRange range);
  void reduce(const TensorView& x);

  std::shared_ptr<Hub> hub_;
  WaitSlot slot_;
  std::shared_ptr<Room> room_;
};

}  // namespace cairn
