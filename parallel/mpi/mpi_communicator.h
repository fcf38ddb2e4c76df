// A communicator of ranks that are MPI processes. MPI only carries bytes: the
// sums are made here, in rank order, whatever algorithms MPI would choose.
//
// Each operation first swaps calls with every other member, so that none begins
// before all have come, and all know it if they disagree.

#pragma once

#include <cstddef>
#include <vector>

#include "parallel/mpi/link.h"
#include "parallel/operation/ordered_sum.h"
#include "parallel/operation/queued_communicator.h"

namespace cairn {

class MpiCommunicator final : public QueuedCommunicator {
 public:
  // `tag` is the group's own in the world.
  MpiCommunicator(MpiLink& link, const Group& group, int tag);

 private:
  void perform(const Operation& operation) override;
  void agree(const Summons& call, const std::vector<int>& members);
  void together(const Operation& operation);
  void over_channel(const Operation& operation);

  void gather(const Summons& call, const TensorView& from,
              const TensorView& to);
  void scatter_sum(const Summons& call, const TensorView& from,
                   const std::vector<ElementRange>& ranges, std::byte* out);
  void reduce(const Summons& call, const TensorView& x);
  void broadcast_from(const Summons& call, const TensorView& x);

  bool is_own(int member) const { return member == group().rank; }
  std::byte* scratch(int member);
  Batch batch() { return {link_.comm(), group(), tag_}; }

  MpiLink& link_;
  int tag_;
  WaitSlot slot_;
  std::vector<int> everyone_;
  std::size_t piece_bytes_;         // of a sum, from one member, at a time
  std::vector<std::byte> scratch_;  // a piece of each member, once needed
};

}  // namespace cairn
