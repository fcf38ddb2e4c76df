#include <mpi.h>

#include <array>
#include <string>

#include "parallel/worlds.h"

namespace cairn {

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int size = 0;
  if (MPI_Get_library_version(text.data(), &size) != MPI_SUCCESS) return "";
  const std::string all(text.data());
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace cairn
