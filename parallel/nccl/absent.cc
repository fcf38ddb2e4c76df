// Stands in for this folder where NCCL was not found.

#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {

bool nccl_is_built() { return false; }

std::unique_ptr<World> make_nccl_world(World& /*host*/, Backend& /*backend*/,
                                       const NcclOptions& /*options*/) {
  throw Error(Code::kBadArgument,
              "ranks were to exchange by NCCL, and Cairn was built without it; "
              "install libnccl-dev beside the CUDA toolkit, and build again");
}

}  // namespace cairn
