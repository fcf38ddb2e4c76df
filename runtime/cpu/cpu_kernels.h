// The CPU body of Kernels: f32 throughout, matrix products by oneDNN, the rest
// by our own vectorised loops.
//
// Determinism: work is cut into pieces by shapes alone and each piece is
// computed by one member of the team in one order, so bits depend neither on
// the number of threads nor on which of them takes which piece. They may differ
// between processors with different vector instructions.

#pragma once

#include <cstddef>
#include <memory>

#include "runtime/cpu/team.h"
#include "runtime/kernels.h"

namespace cairn {

// Scratch for attention's tiles, per member of the team.
std::size_t cpu_workspace_bytes(int threads);

// `workspace` has cpu_workspace_bytes(team.threads()) and, like the team,
// outlives the kernels.
std::unique_ptr<Kernels> make_cpu_kernels(Team& team,
                                          const TensorView& workspace);

}  // namespace cairn
