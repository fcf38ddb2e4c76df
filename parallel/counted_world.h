// A World that counts what its communicators send: the bytes that leave this
// rank, by the name of the group, as algorithms that send nothing twice would
// send them. Everything else is the other world's.
//
// Threads: as World. The other world and the counts outlive this one.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "parallel/communicator.h"

namespace cairn {

using Traffic = std::map<std::string, std::int64_t>;

std::unique_ptr<World> make_counted_world(World& world, Traffic& traffic);

}  // namespace cairn
