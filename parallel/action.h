// An Action is one thing one rank does; a Program is what it does, in order.
//
// Programs are plain data. They are made by a schedule (schedule.h) and carried
// out by one executor (executor.h), which does not know which schedule made
// them.

#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace cairn {

enum class Verb : std::uint8_t {
  kForward,   // Run a stage's blocks on one micro-batch.
  kBackward,  // Both halves of the gradient.
};

struct Action {
  Verb verb = Verb::kForward;
  std::int16_t stage = 0;
  std::int16_t microbatch = 0;

  friend auto operator<=>(const Action&, const Action&) = default;
};

using Program = std::vector<Action>;

// How a pipeline is cut: stage s lives on rank s.
struct PipelineShape {
  int ranks = 1;
  int microbatches = 1;
};

// One program for each rank.
struct Schedule {
  PipelineShape shape;
  std::vector<Program> programs;
};

// "F2.0": forward of micro-batch 0 on stage 2. Programs join with spaces. Used
// in traces, error messages and tests.
std::string to_text(const Action& action);
std::string to_text(const Program& program);

}  // namespace cairn
