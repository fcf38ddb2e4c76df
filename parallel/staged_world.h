// A World whose communicators take operands that lie on a device, on top of one
// that exchanges host memory: what goes out is copied to the host, exchanged
// there as the other world does it, and copied back, all in the order of the
// stream. So ranks of any number may share one device, and the bits are the
// other world's.
//
// A communicator has 4 MiB of the backend's host memory, taken when it is made.
// Larger operands go in pieces, and reports tell of the piece.
//
// Threads: as World. The other world and the backend outlive this one.

#pragma once

#include <memory>

#include "parallel/communicator.h"
#include "runtime/backend.h"

namespace cairn {

std::unique_ptr<World> make_staged_world(World& world, Backend& backend);

}  // namespace cairn
