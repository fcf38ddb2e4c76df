// How much room attention's backward is given, by its shape alone, so that a
// plan made on any machine holds on all. Plain functions.

#pragma once

#include <cstdint>

#include "runtime/kernels.h"

namespace cairn {

// Elements of f32 in AttentionBackward::scratch: none for f32, where nothing is
// kept between kernels.
//
// In bf16, not deterministic: the sums of dq, in f32, a sum for each query and,
// where heads share keys, dk and dv of each head. Deterministic: what the
// scores' gradients of all heads take, but no more than 16 bytes for each
// element of `out`, which is less than the block's MLP took a moment before;
// what does not fit in is done in parts. Where that is not enough for one key
// head, the sums for each query alone: then our own kernels do it.
std::int64_t attention_scratch(const AttentionShape& shape, DType dtype,
                               bool deterministic);

// Bytes that cuDNN 9 takes for one key head of one sample, with its query
// heads, in a deterministic backward on Hopper, and once for each call.
std::int64_t steady_head_bytes(const AttentionShape& shape);
inline constexpr std::int64_t kCudnnCallBytes = 512;

}  // namespace cairn
