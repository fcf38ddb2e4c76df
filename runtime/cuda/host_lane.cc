#include "runtime/cuda/host_lane.h"

#include <cuda_runtime_api.h>

namespace cairn {

void HostLane::begin() {
  queue_.emplace(name_);
  queue_->enqueue_always([this] { static_cast<void>(cudaSetDevice(device_)); });
}

}  // namespace cairn
