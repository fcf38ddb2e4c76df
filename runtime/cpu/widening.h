// bf16 on a body of Kernels that computes in f32. Operands in bf16 are widened
// into f32 scratch, the operation runs there, and what it sets is rounded back,
// to the nearest and ties to even. An operation without any goes straight on.
//
// What an operation makes of a value that it also stores, it makes of the value
// as it was rounded: the norm of a sum, the activation of `pre`. Making it
// again from what was stored then gives the same bits.
//
// Scratch is host memory beside the device's: that of the largest operation so
// far. Threads, streams and lifetimes are those of the body inside.

#pragma once

#include <memory>

#include "runtime/kernels.h"

namespace cairn {

// `f32` must take bf16 itself in fill, in cast and for AdamW's copy.
std::unique_ptr<Kernels> make_widening_kernels(std::unique_ptr<Kernels> f32);

}  // namespace cairn
