// What NCCL answers, as Errors.

#pragma once

#include <nccl.h>

#include <string>

namespace cairn {

// Throws kPeerLost, since NCCL does not tell faults of this rank from those of
// others, with NCCL's own words. A call that is still under way is none.
void check(ncclResult_t status, const std::string& call);

// "unhandled system error: CAUSE".
std::string text_of(ncclResult_t status);

}  // namespace cairn
