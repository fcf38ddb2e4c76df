#include "parallel/paper/program_proof.h"

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/error.h"

namespace cairn::paper {
namespace {

// How many micro-batches have been through each part of a block or of a
// stage's ends. Since they come in ascending order, a count tells which.
struct BlockState {
  int forward = 0;
  int input_gradient = 0;
  int weight_gradient = 0;
  int reduced = 0;
  bool whole = false;
};
struct StageState {
  std::vector<BlockState> blocks;
  int received = 0;
  int sent = 0;
  int gradient_received = 0;
  int gradient_sent = 0;
};

Action of(Verb verb, Action action) {
  action.verb = verb;
  return action;
}

Action of_microbatch(int microbatch, Action action) {
  action.microbatch = static_cast<std::int16_t>(microbatch);
  return action;
}

class ProgramProof {
 public:
  ProgramProof(const Schedule& schedule, const CheckOptions& options, int rank)
      : schedule_(schedule),
        shape_(schedule.shape),
        options_(options),
        rank_(rank),
        stages_(static_cast<std::size_t>(shape_.stages())) {
    for (int stage = rank; stage < shape_.stages(); stage += shape_.ranks) {
      stages_[static_cast<std::size_t>(stage)].blocks.resize(
          static_cast<std::size_t>(blocks_of(stage)));
    }
  }

  void run() {
    const Program& program =
        schedule_.programs[static_cast<std::size_t>(rank_)];
    split_ = std::any_of(program.begin(), program.end(), [](const Action& a) {
      return a.verb == Verb::kBackwardInput || a.verb == Verb::kBackwardWeight;
    });
    for (position_ = 0; position_ < program.size(); ++position_) {
      const Action& action = program[position_];
      require_named_well(action);
      perform(action);
    }
    for (int stage = rank_; stage < shape_.stages(); stage += shape_.ranks) {
      require_complete(stage);
    }
    if (shares() && rank_ == shape_.rank_of(last_stage())) {
      require_done(shared_sent_, {Verb::kSendShared, number(last_stage())});
    }
    if (shares() && rank_ == 0) {
      require_done(shared_received_, {Verb::kReceiveShared, 0});
    }
  }

 private:
  // ---- The parts of the pipeline.

  static std::int16_t number(int value) {
    return static_cast<std::int16_t>(value);
  }
  int last_stage() const { return shape_.stages() - 1; }
  bool whole_stages() const { return options_.blocks.empty(); }
  int blocks_of(int stage) const {
    return whole_stages() ? 1
                          : options_.blocks[static_cast<std::size_t>(stage)];
  }
  bool crosses(int stage, int step) const {
    const int other = stage + step;
    return other >= 0 && other <= last_stage() &&
           shape_.rank_of(other) != shape_.rank_of(stage);
  }
  bool shares() const {
    return options_.shared && !options_.forward_only &&
           shape_.rank_of(last_stage()) != shape_.rank_of(0);
  }
  int group_size() const { return shape_.microbatches / options_.reductions; }

  StageState& stage_of(const Action& action) {
    return stages_[static_cast<std::size_t>(action.stage)];
  }
  static std::size_t index_of(const Action& action) {
    return action.block == kWholeStage ? 0
                                       : static_cast<std::size_t>(action.block);
  }
  BlockState& block_of(const Action& action) {
    return stage_of(action).blocks[index_of(action)];
  }
  // What the program calls the halves of a backward.
  Verb input_verb() const {
    return split_ ? Verb::kBackwardInput : Verb::kBackward;
  }
  Verb weight_verb() const {
    return split_ ? Verb::kBackwardWeight : Verb::kBackward;
  }
  // The same action on another block.
  Action on_block(int block, Action action) const {
    action.block = whole_stages() ? kWholeStage : number(block);
    return action;
  }

  // ---- Refusals.

  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(Code::kBadArgument,
                place_of(schedule_, rank_, position_) + " " + reason);
  }
  [[noreturn]] void refuse_before(const Action& missing) const {
    refuse("comes before " + to_text(missing));
  }
  [[noreturn]] void refuse_unexpected(const char* reason) const {
    refuse(std::string("is not expected: ") + reason);
  }
  void require_done(bool done, const Action& missing) const {
    if (!done) refuse(to_text(missing) + " is missing");
  }

  void require_named_well(const Action& action) const {
    if (action.stage < 0 || action.stage > last_stage() ||
        shape_.rank_of(action.stage) != rank_) {
      refuse("is on a stage of another rank");
    }
    if (action.microbatch < 0 || action.microbatch >= shape_.microbatches) {
      refuse("is on a micro-batch that is not among the " +
             std::to_string(shape_.microbatches));
    }
    const bool on_blocks =
        !whole_stages() &&
        (computes(action.verb) || action.verb == Verb::kGather ||
         action.verb == Verb::kDrop || action.verb == Verb::kReduce);
    if (on_blocks ? action.block < 0 || action.block >= blocks_of(action.stage)
                  : action.block != kWholeStage) {
      refuse(on_blocks ? "is not on one of the stage's " +
                             std::to_string(blocks_of(action.stage)) + " blocks"
                       : "is not on the whole stage");
    }
  }

  // Counts the action among those of its kind; `kind` names the one that is
  // due where it is not this.
  void take_turn(int& count, const Action& action, Verb kind) const {
    if (action.microbatch < count) refuse("runs twice");
    if (action.microbatch > count) {
      refuse_before(of_microbatch(count, of(kind, action)));
    }
    ++count;
  }

  // ---- What each action needs.

  void perform(const Action& action) {
    switch (action.verb) {
      case Verb::kForward:
        return forward(action);
      case Verb::kBackward:
      case Verb::kBackwardInput:
      case Verb::kBackwardWeight:
        return backward(action);
      case Verb::kSendOutput:
      case Verb::kReceiveInput:
      case Verb::kSendGradient:
      case Verb::kReceiveGradient:
        return transfer(action);
      case Verb::kGather:
      case Verb::kDrop:
        return gather_or_drop(action);
      case Verb::kReduce:
        return reduce(action);
      case Verb::kSendShared:
      case Verb::kReceiveShared:
        return share(action);
    }
  }

  void require_whole(const Action& action) {
    if (options_.gathers && !block_of(action).whole) {
      refuse("uses parameters that are not gathered");
    }
  }

  void forward(const Action& action) {
    take_turn(block_of(action).forward, action, Verb::kForward);
    require_whole(action);
    if (index_of(action) > 0) {
      require_forward(on_block(action.block - 1, action));
    } else if (crosses(action.stage, -1)) {
      if (options_.transfers &&
          stage_of(action).received <= action.microbatch) {
        refuse_before({Verb::kReceiveInput, action.stage, action.microbatch});
      }
    } else if (action.stage > 0) {
      Action before = action;
      --before.stage;
      require_forward(on_block(blocks_of(before.stage) - 1, before));
    }
  }

  void require_forward(const Action& action) {
    if (block_of(action).forward <= action.microbatch) {
      refuse_before(of(Verb::kForward, action));
    }
  }

  void backward(const Action& action) {
    if (options_.forward_only) refuse_unexpected("it is forward only");
    BlockState& block = block_of(action);
    if (gives_input_gradient(action.verb)) {
      take_turn(block.input_gradient, action, action.verb);
      require_whole(action);
      require_output_gradient(action);
    }
    if (gives_weight_gradient(action.verb)) {
      take_turn(block.weight_gradient, action, weight_verb());
      if (block.input_gradient <= action.microbatch) {
        refuse_before(of(input_verb(), action));
      }
      require_reduced_before(action);
    }
  }

  // What a block's backward starts from: the gradient of the block above it,
  // which is the loss, a block here, or a parcel.
  void require_output_gradient(const Action& action) {
    const int top = blocks_of(action.stage) - 1;
    if (static_cast<int>(index_of(action)) < top) {
      return require_input_gradient(on_block(action.block + 1, action));
    }
    require_forward(action);
    if (crosses(action.stage, 1)) {
      if (options_.transfers &&
          stage_of(action).gradient_received <= action.microbatch) {
        refuse_before(
            {Verb::kReceiveGradient, action.stage, action.microbatch});
      }
    } else if (action.stage < last_stage()) {
      Action above = action;
      ++above.stage;
      require_input_gradient(on_block(0, above));
    }
  }

  void require_input_gradient(const Action& action) {
    if (block_of(action).input_gradient <= action.microbatch) {
      refuse_before(action);
    }
  }

  void transfer(const Action& action) {
    if (!options_.transfers) refuse_unexpected("transfers were not asked for");
    const bool upward = action.verb == Verb::kSendOutput ||
                        action.verb == Verb::kReceiveGradient;
    if (!crosses(action.stage, upward ? 1 : -1)) {
      refuse_unexpected("there is no other rank on that side of the stage");
    }
    const bool of_gradient = action.verb == Verb::kSendGradient ||
                             action.verb == Verb::kReceiveGradient;
    if (of_gradient && options_.forward_only) {
      refuse_unexpected("it is forward only");
    }
    take_turn(transfers_of(action), action, action.verb);
    if (action.verb == Verb::kSendOutput) {
      require_forward(on_block(blocks_of(action.stage) - 1, action));
    } else if (action.verb == Verb::kSendGradient &&
               stage_of(action).blocks[0].input_gradient <= action.microbatch) {
      refuse_before(on_block(0, of(input_verb(), action)));
    }
  }

  int& transfers_of(const Action& action) {
    StageState& stage = stage_of(action);
    if (action.verb == Verb::kSendOutput) return stage.sent;
    if (action.verb == Verb::kReceiveInput) return stage.received;
    if (action.verb == Verb::kSendGradient) return stage.gradient_sent;
    return stage.gradient_received;
  }

  void gather_or_drop(const Action& action) {
    if (!options_.gathers) refuse_unexpected("gathers were not asked for");
    bool& whole = block_of(action).whole;
    const bool gather = action.verb == Verb::kGather;
    if (gather && whole) refuse("gathers what is whole already");
    if (!gather && !whole) refuse("drops what is not gathered");
    whole = gather;
  }

  void reduce(const Action& action) {
    if (options_.reductions == 0 || options_.forward_only) {
      refuse_unexpected("reductions were not asked for");
    }
    BlockState& block = block_of(action);
    if ((action.microbatch + 1) % group_size() != 0) {
      refuse("reduces where no group of " + std::to_string(group_size()) +
             " micro-batches ends");
    }
    if (action.microbatch < block.reduced) refuse("runs twice");
    if (block.weight_gradient <= action.microbatch) {
      refuse_before(of(weight_verb(), action));
    }
    block.reduced = action.microbatch + 1;
    require_shared_before(action);
  }

  // The sum of one group is gone before the next one begins.
  void require_reduced_before(const Action& action) {
    if (options_.reductions == 0) return;
    const int begin = action.microbatch - action.microbatch % group_size();
    if (block_of(action).reduced < begin) {
      refuse_before(of_microbatch(begin - 1, of(Verb::kReduce, action)));
    }
  }

  // A shared parameter's gradient is sent before the sum that it is not part
  // of, and is taken into the sum that it is part of.
  void require_shared_before(const Action& action) {
    if (!shares() || action.microbatch + 1 < shape_.microbatches) return;
    const int block = static_cast<int>(index_of(action));
    if (action.stage == last_stage() && block == blocks_of(last_stage()) - 1 &&
        !shared_sent_) {
      refuse_before({Verb::kSendShared, action.stage});
    }
    if (action.stage == 0 && block == 0 && !shared_received_) {
      refuse_before({Verb::kReceiveShared, 0});
    }
  }

  void share(const Action& action) {
    if (!shares()) refuse_unexpected("no gradient is shared between ranks");
    const bool sends = action.verb == Verb::kSendShared;
    const int stage = sends ? last_stage() : 0;
    if (action.stage != stage) {
      refuse_unexpected("the first stage and the last share a gradient");
    }
    bool& done = sends ? shared_sent_ : shared_received_;
    if (done) refuse("runs twice");
    done = true;
    const Action last = on_block(
        sends ? blocks_of(stage) - 1 : 0,
        {weight_verb(), number(stage), number(shape_.microbatches - 1)});
    if (block_of(last).weight_gradient < shape_.microbatches) {
      refuse_before(last);
    }
  }

  // ---- The end.

  void require_complete(int stage) {
    const StageState& state = stages_[static_cast<std::size_t>(stage)];
    for (int block = 0; block < blocks_of(stage); ++block) {
      require_complete(state.blocks[static_cast<std::size_t>(block)],
                       on_block(block, {Verb::kForward, number(stage)}));
    }
    // What is received has been asked for by what computes on it.
    if (!options_.transfers) return;
    if (crosses(stage, 1)) {
      require_all(state.sent, {Verb::kSendOutput, number(stage)});
    }
    if (crosses(stage, -1) && !options_.forward_only) {
      require_all(state.gradient_sent, {Verb::kSendGradient, number(stage)});
    }
  }

  void require_complete(const BlockState& block, const Action& action) {
    require_all(block.forward, action);
    if (block.whole) {
      refuse("block " + std::to_string(index_of(action)) + " of stage " +
             std::to_string(action.stage) + " is still gathered");
    }
    if (options_.forward_only) return;
    require_all(block.input_gradient, of(input_verb(), action));
    require_all(block.weight_gradient, of(weight_verb(), action));
    if (options_.reductions == 0) return;
    const int next = block.reduced + group_size() - 1;
    require_done(block.reduced == shape_.microbatches,
                 of_microbatch(next, of(Verb::kReduce, action)));
  }

  void require_all(int count, const Action& action) const {
    require_done(count == shape_.microbatches, of_microbatch(count, action));
  }

  const Schedule& schedule_;
  const PipelineShape& shape_;
  const CheckOptions& options_;
  const int rank_;
  std::size_t position_ = 0;
  std::vector<StageState> stages_;  // filled for this rank's
  bool split_ = false;              // backward comes in halves
  bool shared_sent_ = false;
  bool shared_received_ = false;
};

}  // namespace

std::string place_of(const Schedule& schedule, int rank, std::size_t position) {
  const Program& program = schedule.programs[static_cast<std::size_t>(rank)];
  std::string text = "rank " + std::to_string(rank);
  if (position >= program.size()) return text + ", at its end:";
  return text + ", position " + std::to_string(position) + " (" +
         to_text(program[position]) + ")";
}

void prove_program(const Schedule& schedule, const CheckOptions& options,
                   int rank) {
  ProgramProof(schedule, options, rank).run();
}

}  // namespace cairn::paper
