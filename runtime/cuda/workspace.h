// Scratch of the CUDA kernels: what a plan reserves for them, on machines
// without CUDA too.

#pragma once

#include <cstddef>

namespace cairn {

inline constexpr std::size_t kMatmulBytes = std::size_t{64} << 20;
inline constexpr std::size_t kScratchBytes = std::size_t{32} << 20;

}  // namespace cairn
