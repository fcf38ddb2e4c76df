#include "parallel/worlds.h"

#include <cstdlib>

namespace cairn {

bool launched_by_mpi() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr ||
         std::getenv("PMIX_RANK") != nullptr;
}

}  // namespace cairn
