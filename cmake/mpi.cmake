# Finds MPI (its C interface), without which all else is built.
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI COMPONENTS CXX QUIET)
if(NOT MPI_CXX_FOUND)
  message(STATUS "MPI was not found: ranks are threads of one process. For "
    "ranks as processes install libopenmpi-dev and openmpi-bin.")
endif()
