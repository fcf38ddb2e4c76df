#include "parallel/paper/walk.h"

#include <algorithm>
#include <string>
#include <vector>

#include "parallel/paper/program_proof.h"
#include "runtime/error.h"

namespace cairn::paper {
namespace {

// One rank's place in its program.
struct Walker {
  std::size_t next = 0;
  double clock = 0;
  double busy = 0;
  int held = 0;  // micro-batches of single stages
  int peak = 0;
};

// When each parcel was sent, and when there was room for it. Both come in
// ascending order of micro-batches.
struct Channel {
  std::vector<double> sent;
  std::vector<double> room;
};

class Walk {
 public:
  Walk(const Schedule& schedule, const CheckOptions& options)
      : schedule_(schedule),
        shape_(schedule.shape),
        options_(options),
        walkers_(schedule.programs.size()),
        outputs_(static_cast<std::size_t>(shape_.stages())),
        gradients_(outputs_.size()) {
    for (int stage = 0; stage < shape_.stages(); ++stage) {
      weights_left_.insert(weights_left_.end(),
                           static_cast<std::size_t>(shape_.microbatches),
                           blocks_of(stage));
    }
  }

  Forecast run() {
    while (advance_all()) {
    }
    for (int rank = 0; rank < shape_.ranks; ++rank) {
      if (!done(rank)) refuse_circle(rank);
    }
    return forecast();
  }

 private:
  Walker& walker(int rank) { return walkers_[static_cast<std::size_t>(rank)]; }
  const Program& program(int rank) const {
    return schedule_.programs[static_cast<std::size_t>(rank)];
  }
  bool done(int rank) { return walker(rank).next == program(rank).size(); }
  const Action& next_of(int rank) { return program(rank)[walker(rank).next]; }

  int blocks_of(int stage) const {
    return options_.blocks.empty()
               ? 1
               : options_.blocks[static_cast<std::size_t>(stage)];
  }
  bool crosses(int stage, int step) const {
    const int other = stage + step;
    return other >= 0 && other < shape_.stages() &&
           shape_.rank_of(other) != shape_.rank_of(stage);
  }
  bool is_first(const Action& action) const { return action.block <= 0; }
  bool is_last(const Action& action) const {
    return action.block == kWholeStage ||
           action.block == blocks_of(action.stage) - 1;
  }
  Channel& output(int stage) {
    return outputs_[static_cast<std::size_t>(stage)];
  }
  Channel& gradient(int stage) {
    return gradients_[static_cast<std::size_t>(stage)];
  }

  bool advance_all() {
    bool moved = false;
    for (int rank = 0; rank < shape_.ranks; ++rank) {
      while (!done(rank) && step(walker(rank), next_of(rank))) {
        ++walker(rank).next;
        moved = true;
      }
    }
    return moved;
  }

  // Carries out one action. False if it has to wait for another rank.
  bool step(Walker& rank, const Action& action) {
    const int stage = action.stage;
    switch (action.verb) {
      case Verb::kForward:
        return forward(rank, action);
      case Verb::kBackward:
      case Verb::kBackwardInput:
      case Verb::kBackwardWeight:
        return backward(rank, action);
      case Verb::kSendOutput:
        return send(rank, output(stage), action.microbatch);
      case Verb::kReceiveInput:
        output(stage - 1).room.push_back(rank.clock);
        return true;
      case Verb::kSendGradient:
        return send(rank, gradient(stage), action.microbatch);
      case Verb::kReceiveGradient:
        gradient(stage + 1).room.push_back(rank.clock);
        return true;
      case Verb::kSendShared:
        shared_sent_.push_back(rank.clock);
        return true;
      case Verb::kReceiveShared:
        return reached(rank, shared_sent_, 0);
      case Verb::kGather:
      case Verb::kDrop:
      case Verb::kReduce:
        return true;
    }
    return false;
  }

  // Whether the event of that number has been; if so, the rank is past it.
  static bool reached(Walker& rank, const std::vector<double>& times,
                      int number) {
    const auto index = static_cast<std::size_t>(number);
    if (times.size() <= index) return false;
    rank.clock = std::max(rank.clock, times[index]);
    return true;
  }

  bool forward(Walker& rank, const Action& action) {
    const int stage = action.stage;
    if (is_first(action)) {
      if (crosses(stage, -1) &&
          !reached(rank, output(stage - 1).sent, action.microbatch)) {
        return false;
      }
      if (!options_.forward_only) rank.peak = std::max(rank.peak, ++rank.held);
    }
    spend(rank, cost_of(stage).forward / blocks_of(stage));
    if (!options_.transfers && is_last(action)) {
      output(stage).sent.push_back(rank.clock);
    }
    return true;
  }

  bool backward(Walker& rank, const Action& action) {
    const int stage = action.stage;
    const double blocks = blocks_of(stage);
    if (gives_input_gradient(action.verb)) {
      if (is_last(action) && crosses(stage, 1) &&
          !reached(rank, gradient(stage + 1).sent, action.microbatch)) {
        return false;
      }
      spend(rank, cost_of(stage).backward_input / blocks);
    }
    if (gives_weight_gradient(action.verb)) {
      spend(rank, cost_of(stage).backward_weight / blocks);
      const int slot = stage * shape_.microbatches + action.microbatch;
      if (--weights_left_[static_cast<std::size_t>(slot)] == 0) --rank.held;
    }
    if (!options_.transfers && is_first(action) &&
        gives_input_gradient(action.verb)) {
      gradient(stage).sent.push_back(rank.clock);
    }
    return true;
  }

  bool send(Walker& rank, Channel& channel, int microbatch) {
    const int before = microbatch - options_.channel_capacity;
    if (before >= 0 && !reached(rank, channel.room, before)) return false;
    channel.sent.push_back(rank.clock);
    return true;
  }

  static void spend(Walker& rank, double time) {
    rank.clock += time;
    rank.busy += time;
  }

  const StageCost& cost_of(int stage) const {
    return options_.stage_costs.empty()
               ? options_.cost
               : options_.stage_costs[static_cast<std::size_t>(stage)];
  }

  // The rank for which an action that cannot go on waits.
  int waits_for(const Action& action) const {
    switch (action.verb) {
      case Verb::kForward:
      case Verb::kSendGradient:
        return shape_.rank_of(action.stage - 1);
      case Verb::kReceiveShared:
        return shape_.rank_of(shape_.stages() - 1);
      default:
        return shape_.rank_of(action.stage + 1);
    }
  }

  std::string reason_of(const Action& action) const {
    const std::string other = "rank " + std::to_string(waits_for(action));
    if (action.verb == Verb::kSendOutput ||
        action.verb == Verb::kSendGradient) {
      return " waits for " + other +
             " to receive, since the channel is full (" +
             std::to_string(options_.channel_capacity) + ")";
    }
    return " waits for " + other + " to send";
  }

  [[noreturn]] void refuse_circle(int rank) {
    // From any rank that waits, the way leads into a circle: begin in it.
    for (int steps = 0; steps < shape_.ranks; ++steps) {
      rank = waits_for(next_of(rank));
    }
    std::string text;
    const int begin = rank;
    do {
      const Action& action = next_of(rank);
      text += (text.empty() ? "" : "; ") +
              place_of(schedule_, rank, walker(rank).next) + reason_of(action);
      rank = waits_for(action);
    } while (rank != begin);
    throw Error(Code::kBadArgument, "waiting in a circle: " + text);
  }

  Forecast forecast() {
    Forecast forecast;
    for (const Walker& rank : walkers_) {
      forecast.makespan = std::max(forecast.makespan, rank.clock);
      forecast.peak_held.push_back(static_cast<double>(rank.peak) /
                                   shape_.chunks);
    }
    for (const Walker& rank : walkers_) {
      forecast.bubble.push_back(forecast.makespan > 0
                                    ? (forecast.makespan - rank.busy) /
                                          forecast.makespan
                                    : 0);
    }
    for (const int step : {1, -1}) {
      for (int stage = 0; stage < shape_.stages(); ++stage) {
        if (!crosses(stage, step)) continue;
        if (step < 0 && options_.forward_only) continue;
        const Channel& channel = step > 0 ? output(stage) : gradient(stage);
        forecast.edges.push_back(
            {stage, stage + step, static_cast<int>(channel.sent.size())});
      }
    }
    return forecast;
  }

  const Schedule& schedule_;
  const PipelineShape& shape_;
  const CheckOptions& options_;
  std::vector<Walker> walkers_;
  std::vector<Channel> outputs_;    // by the stage that sends
  std::vector<Channel> gradients_;  // by the stage that sends
  std::vector<double> shared_sent_;
  std::vector<int> weights_left_;  // blocks, by stage and micro-batch
};

}  // namespace

Forecast walk(const Schedule& schedule, const CheckOptions& options) {
  return Walk(schedule, options).run();
}

}  // namespace cairn::paper
