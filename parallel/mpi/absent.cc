// Stands in for this folder where MPI was not found.

#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {

std::string mpi_library() { return ""; }

std::unique_ptr<World> make_mpi_world(const WorldOptions& /*options*/) {
  throw Error(Code::kBadArgument,
              "ranks as MPI processes were asked for, and Cairn was built "
              "without MPI; install libopenmpi-dev and openmpi-bin, and build "
              "again");
}

}  // namespace cairn
