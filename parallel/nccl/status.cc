#include "parallel/nccl/status.h"

#include "runtime/error.h"

namespace cairn {

std::string text_of(ncclResult_t status) {
  std::string text = ncclGetErrorString(status);
  const char* last = ncclGetLastError(nullptr);
  if (last != nullptr && *last != '\0') text += std::string(": ") + last;
  return text;
}

void check(ncclResult_t status, const std::string& call) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw Error(Code::kPeerLost, call + " by NCCL failed: " + text_of(status));
}

}  // namespace cairn
