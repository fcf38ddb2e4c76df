// The worlds there are: ranks that are threads of one process, and ranks that
// are processes which mpirun started. Both keep what communicator.h promises.
//
// Threads: a world is used from one thread, but for abort and lost, which any
// thread may call.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "parallel/communicator.h"

namespace cairn {

// One world for each rank, to be used from a thread of its own. A rank whose
// world is destroyed has left: who then waits for it learns so at once.
std::vector<std::unique_ptr<World>> make_thread_worlds(
    int size, const WorldOptions& options);

// This process's end of the world that mpirun started; every rank calls it.
// Starts MPI and ends it with the world, unless the program has started MPI
// itself. Ranks of one host watch each other: the first loss or abort is told
// in one line on stderr, by one of them and before the others learn of it, so
// that nobody need print what he catches. Ranks of other hosts learn of it when
// their waits time out. After a failure MPI is not ended in order, since that
// would wait for who is lost; before the world of a rank that has failed goes,
// abort must be called, or it waits for the others to leave with it.
//
// Throws kBadArgument where Cairn was built without MPI.
std::unique_ptr<World> make_mpi_world(const WorldOptions& options);

// Whether mpirun started this process. Does not touch MPI.
bool launched_by_mpi();

// The MPI that would be used, "Open MPI v4.1.6"; "" where Cairn was built
// without. Does not start it.
std::string mpi_library();

}  // namespace cairn
