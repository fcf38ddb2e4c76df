// The CPU body of Kernels: f32, every operation done by one team of threads.
// Only fill, cast and AdamW's copy know bf16; widening.h does the rest.

#pragma once

#include <cstddef>
#include <memory>

#include "runtime/cpu/team.h"
#include "runtime/kernels.h"

namespace cairn {

// Scratch that the body needs: a fixed size for each thread of the team.
std::size_t cpu_workspace_bytes(int threads);

// `team` and `workspace`, of cpu_workspace_bytes(team.threads()) bytes, must
// outlive the kernels and the streams they were used on. One stream at a time.
std::unique_ptr<Kernels> make_cpu_kernels(Team& team,
                                          const TensorView& workspace);

}  // namespace cairn
