#include "parallel/mpi/session.h"

#include <array>
#include <string>

#include "runtime/error.h"

namespace cairn {

void check(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  throw Error(Code::kPeerLost, std::string(call) + " failed: " + text.data());
}

MpiSession::MpiSession() {
  int ended = 0;
  int started = 0;
  check(MPI_Finalized(&ended), "MPI_Finalized");
  check(MPI_Initialized(&started), "MPI_Initialized");
  require(ended == 0, "MPI was ended in this process; it starts only once");
  int provided = MPI_THREAD_SINGLE;
  if (started != 0) {
    check(MPI_Query_thread(&provided), "MPI_Query_thread");
  } else {
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided),
          "MPI_Init_thread");
    finalizes_ = true;
  }
  require(provided == MPI_THREAD_MULTIPLE,
          "MPI runs without MPI_THREAD_MULTIPLE, which streams need");
}

MpiSession::~MpiSession() {
  if (finalizes_) MPI_Finalize();
}

}  // namespace cairn
