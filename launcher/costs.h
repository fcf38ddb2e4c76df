// Costs on file: what a machine's kernels and copies were measured to take, as
// JSON, so that a plan made elsewhere can use them (docs/formats.md).
//
// Errors: kBadArgument, naming file and reason.

#pragma once

#include <filesystem>

#include "runtime/cost.h"
#include "runtime/device.h"

namespace cairn {

// The file's costs, or those that are shipped if it is no file's name but
// "cpu", "h100" or "h200".
CostModel read_costs(const std::filesystem::path& file);
void write_costs(const CostModel& costs, const std::filesystem::path& file);

// What is taken where nothing was measured: of the card that is here, if there
// is one that is known, or of an H200.
CostModel default_costs(Device::Kind device);

}  // namespace cairn
