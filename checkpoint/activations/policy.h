// What becomes of each saved group between forward and backward.
//
// A Policy is a plain function, so that a constant, a table and a solver's plan
// all fit. It is asked once for each group that is put into the store; the
// boundary (group 0) is always kept.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/block.h"

namespace cairn {

enum class Keeping : std::uint8_t {
  kKeep,       // On the device. Costs memory.
  kRecompute,  // Dropped, and made again before backward. Costs time.
};

using Policy = std::function<Keeping(const SlotKey&, const GroupSpec&)>;

// "keep": everything. "cheap": what a pass over memory can make is made again
// (norms, activations). "attention": of what blocks save beside their inputs,
// what attention gave is kept. "boundary": only block inputs are. Throws
// kBadArgument for another name, with these.
Policy policy_named(const std::string& name);

// Those names, from most memory to least.
std::vector<std::string> policy_names();

}  // namespace cairn
