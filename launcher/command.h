// The `cairn` command as a function, so that a program with model families of
// its own is a `cairn` that knows them.

#pragma once

#include "runtime/model.h"

namespace cairn {

// Carries out one command line; prints to standard output and errors to
// standard error. Returns the exit code: 0 done, 2 a mistake in what the user
// gave, 3 it cannot fit, 4 a fault during the run, 75 stopped on request.
int run_command(int argc, const char* const* argv,
                const ModelFamilies& families);

}  // namespace cairn
