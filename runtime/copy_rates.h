// Copy rates: how fast a backend copies between host and device, and what that
// does to a product beside it.
//
// Threads: called from one; memory and streams of the backend are used, and
// given back. Errors: as the backend's.

#pragma once

#include <cstddef>

#include "runtime/backend.h"

namespace cairn {

struct CopyOptions {
  std::size_t bytes = std::size_t{512} << 20;  // of one copy
  int copies = 4;                              // in a row, in one timing
  int repeats = 3;                             // timings: the median counts
  std::int64_t product = 8192;  // rows, columns and depth of the product
  DType type = DType::kF32;     // that it is computed in
};

struct CopyRates {
  double upload = 0;  // bytes a second, from and to host_memory()
  double download = 0;
  double both = 0;  // up and down at once, together
  double pageable_upload = 0;
  double pageable_download = 0;
  double latency = 0;         // seconds of a copy of 4 bytes
  double product = 0;         // seconds of a product alone
  double product_beside = 0;  // while copies go up and down

  // Part of the product's speed that copies beside it cost.
  double slowdown() const { return 1 - product / product_beside; }
};

CopyRates measure_copies(Backend& backend, const CopyOptions& options);

}  // namespace cairn
