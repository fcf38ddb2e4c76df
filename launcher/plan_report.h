// What a person, or a program, is told of a run before it starts.

#pragma once

#include <iosfwd>
#include <string>

#include "launcher/worker.h"

namespace cairn {

// The start-up tables: parameters by block, memory by owner of the rank that
// needs most.
void print_tables(const Run& run, std::ostream& out);

// What `cairn plan` adds, for the ranks of each stage: time and bubble, peak
// memory by owner, and bytes sent in a step, by the group they are sent in.
void print_prediction(const Run& run, std::ostream& out);

// All of it as JSON; what plan.json holds.
std::string plan_json(const Run& run);

}  // namespace cairn
