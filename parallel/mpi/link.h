// A MpiLink is one process's way to the others of its world: messages, waits
// that end, and the board on which the ranks of a host see each other.
//
// Threads: any thread may call anything. Making one is for all ranks together.

#pragma once

#include <mpi.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/mpi/batch.h"
#include "parallel/operation/operation.h"
#include "parallel/watch/shared_memory.h"
#include "parallel/watch/wait_board.h"
#include "parallel/watch/watcher.h"

namespace cairn {

class MpiLink {
 public:
  explicit MpiLink(const WorldOptions& options);
  // Leaves in order if all is well; then every rank does.
  ~MpiLink();

  MpiLink(const MpiLink&) = delete;
  MpiLink& operator=(const MpiLink&) = delete;

  MPI_Comm comm() const { return comm_; }
  int rank() const { return rank_; }
  int size() const { return size_; }
  WaitBoard& board() { return *board_; }
  int place() const { return place_; }  // of this rank on the board

  // Waits until the batch is done. Throws kPeerLost when the run has failed, or
  // when nothing came for the world's timeout, which then fails the run.
  // `begun` says that all members have come to the call.
  void wait(Batch& batch, const Group& group, const Summons& call, bool begun);

  // Tells `call` to these members of the group, and what each of them tells.
  std::vector<Brought> exchange(const Group& group, int tag,
                                const Summons& call,
                                const std::vector<int>& members);

  // The first failure that can be seen from here, looking now.
  std::optional<std::string> lost();

  // Fails the run for `why`, and tells of it, unless it has failed.
  void fail(const std::string& why) { watcher_->tell(why); }

 private:
  void share_board();
  [[noreturn]] void give_up(const Unmet& unmet);

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 0;
  std::chrono::milliseconds timeout_;
  int place_ = 0;
  std::vector<int> places_;  // of every rank; -1 on another host
  std::optional<SharedMemory> memory_;
  std::optional<WaitBoard> board_;
  std::optional<Watcher> watcher_;
};

}  // namespace cairn
