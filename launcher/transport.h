// How ranks reach each other: what carries operands that lie on devices, and
// what all ranks have to find out together before they start.

#pragma once

#include <memory>

#include "launcher/config.h"
#include "parallel/communicator.h"
#include "runtime/backend.h"

namespace cairn {

// Which of this machine's ranks one is: the n-th computes on the n-th device,
// round and round.
struct Seat {
  int rank = 0;
  int ranks = 1;
};

// The first rank that is not able, or -1; every rank calls it.
int first_unable(World& world, bool able);

// A world for operands of `backend`, over `host`, as parallel.transport says;
// null where `host` itself serves. Every rank calls it. Throws kBadArgument
// when NCCL was asked for and ranks share a device.
std::unique_ptr<World> make_device_world(const Config& config, World& host,
                                         Backend& backend, const Seat& seat);

}  // namespace cairn
