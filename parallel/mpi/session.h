// What a process has with MPI as a whole: the library's start and end, and the
// meaning of its status codes.

#pragma once

#include <mpi.h>

namespace cairn {

// Throws kPeerLost, naming the call, unless `status` is MPI_SUCCESS.
void check(int status, const char* call);

// Starts MPI and ends it, unless the program has started it itself, which it
// must then have done with MPI_THREAD_MULTIPLE.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();

  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  // Leaves MPI as it is at the end, since MPI_Finalize waits for every rank.
  void abandon() { finalizes_ = false; }

 private:
  bool finalizes_ = false;
};

}  // namespace cairn
