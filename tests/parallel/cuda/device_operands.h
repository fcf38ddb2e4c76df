// A World for tests whose operands lie in host memory, on top of one whose
// operands lie on a device: each operation copies them there, is done there on
// a stream of the device, and copies all of them back, also what it only reads.
//
// So one suite serves the bodies of both. Operands that lie within each other
// do so on the device too.

#pragma once

#include <memory>

#include "parallel/communicator.h"
#include "runtime/backend.h"

namespace cairn {

// Takes `bytes` of device memory for each communicator when it is made: what
// the largest operation brings.
std::unique_ptr<World> make_device_operands(World& world, Backend& backend,
                                            std::size_t bytes);

}  // namespace cairn
