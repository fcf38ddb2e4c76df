// How long the host takes to enqueue: what bounds a step of small operations.

#pragma once

#include "launcher/run_plan.h"

namespace cairn {

// Sets `costs`' times of issue, so that a step of a tiny model is predicted to
// take what it is seen to take.
void measure_issue(Device::Kind device, const BackendOptions& options,
                   CostModel& costs);

}  // namespace cairn
