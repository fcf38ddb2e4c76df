// `cairn doctor`: what this machine has for training, what is missing, and what
// to do about it.

#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "launcher/diagnosis.h"

namespace cairn {

// Asks the machine; starts its GPUs.
Machine examine_machine();

void print_examination(const Machine& machine,
                       const std::vector<Finding>& findings, std::ostream& out);

// The same as one JSON object (docs/formats.md).
std::string examination_json(const Machine& machine,
                             const std::vector<Finding>& findings);

// Prints either. Returns 0, or 4 if a finding stops training.
int doctor(bool json, std::ostream& out);

}  // namespace cairn
