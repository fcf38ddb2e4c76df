// Costs on file: what a machine's kernels and copies were measured to take, as
// JSON, so that a plan made elsewhere can use them.
//
// Errors: kBadArgument, naming file and reason.

#pragma once

#include <filesystem>

#include "launcher/run_plan.h"

namespace cairn {

CostModel read_costs(const std::filesystem::path& file);
void write_costs(const CostModel& costs, const std::filesystem::path& file);

// Measures what the run's kernels take on this machine, as many ranks at once
// as there are cores for, and the rates between ranks that are threads of one
// process.
CostModel measure_costs(const PlanRequest& request, const std::string& policy);

}  // namespace cairn
