#include "parallel/schedule.h"

#include <algorithm>

#include "runtime/error.h"

namespace cairn {
namespace {

// `warmup` forwards, then forward and backward in turn, then the rest.
Program in_turn(int stage, int microbatches, int warmup) {
  const auto make = [stage](Verb verb, int k) {
    return Action{verb, static_cast<std::int16_t>(stage),
                  static_cast<std::int16_t>(k)};
  };
  Program program;
  const int ahead = std::min(microbatches, warmup);
  for (int k = 0; k < ahead; ++k) program.push_back(make(Verb::kForward, k));
  for (int k = ahead; k < microbatches; ++k) {
    program.push_back(make(Verb::kForward, k));
    program.push_back(make(Verb::kBackward, k - ahead));
  }
  for (int k = microbatches - ahead; k < microbatches; ++k) {
    program.push_back(make(Verb::kBackward, k));
  }
  return program;
}

}  // namespace

Schedule one_f_one_b(const PipelineShape& shape) {
  require(shape.ranks >= 1 && shape.microbatches >= 1,
          "a pipeline has at least one rank and one micro-batch");
  Schedule schedule{shape, {}};
  for (int rank = 0; rank < shape.ranks; ++rank) {
    schedule.programs.push_back(
        in_turn(rank, shape.microbatches, /*warmup=*/shape.ranks - 1 - rank));
  }
  return schedule;
}

}  // namespace cairn
