// An Action is one thing one rank does; a Program is what it does, in order.
//
// Programs are plain data. They are made by a schedule (schedule.h) or read
// from text, completed by passes (passes.h), proved by the checker (check.h)
// and carried out by one executor (executor.h). None of these knows which
// schedule made the program.

#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

enum class Verb : std::uint8_t {
  kForward,          // F   Run blocks on one micro-batch.
  kBackward,         // B   Both halves of the gradient at once.
  kBackwardInput,    // I   Only what the stage before waits for.
  kBackwardWeight,   // W   The rest, whenever there is time.
  kSendOutput,       // so  Stage to stage + 1.
  kReceiveInput,     // ri
  kSendGradient,     // sg  Stage to stage - 1.
  kReceiveGradient,  // rg
  kGather,           // G   Make a block's sharded parameters whole.
  kDrop,             // D   Let the whole ones go again.
  kReduce,           // R   Sum a block's gradients across the data ranks.
  kSendShared,       // ss  Gradient of a parameter that the first stage owns.
  kReceiveShared,    // rs
};

// `block` counts within the stage; kWholeStage is all of its blocks in turn. A
// reduction names the last micro-batch that went into the sum. Verbs without a
// micro-batch (G, D, ss, rs) have 0 there.
inline constexpr std::int16_t kWholeStage = -1;
struct Action {
  Verb verb = Verb::kForward;
  std::int16_t stage = 0;
  std::int16_t microbatch = 0;
  std::int16_t block = kWholeStage;

  friend auto operator<=>(const Action&, const Action&) = default;
};

using Program = std::vector<Action>;

constexpr bool gives_input_gradient(Verb verb) {
  return verb == Verb::kBackward || verb == Verb::kBackwardInput;
}
constexpr bool gives_weight_gradient(Verb verb) {
  return verb == Verb::kBackward || verb == Verb::kBackwardWeight;
}
constexpr bool computes(Verb verb) {
  return verb == Verb::kForward || gives_input_gradient(verb) ||
         gives_weight_gradient(verb);
}

// How a pipeline is cut: stage s lives on rank s % ranks.
struct PipelineShape {
  int ranks = 1;
  int chunks = 1;  // stages a rank
  int microbatches = 1;

  int stages() const { return ranks * chunks; }
  int rank_of(int stage) const { return stage % ranks; }
};

// One program for each rank.
struct Schedule {
  PipelineShape shape;
  std::vector<Program> programs;
};

// "F2.0": forward of micro-batch 0 on stage 2; "F2.0/3": its block 3 alone;
// "G2/3", "ss2": verbs without a micro-batch. Programs join with spaces;
// a schedule has one line "rank R: PROGRAM" for each rank. Used in traces,
// error messages, golden files, and as input.
std::string to_text(const Action& action);
std::string to_text(const Program& program);
std::string to_text(const Schedule& schedule);

// Read back what to_text writes. Throw kBadArgument, naming the word and its
// place. What the actions ask for is not judged here; see check.h.
Action action_from_text(std::string_view text);
Program program_from_text(std::string_view text);

// Lines may come in any order, every rank's once. A # starts a comment; lines
// with nothing else are passed over.
Schedule schedule_from_text(std::string_view text, const PipelineShape& shape);

}  // namespace cairn
