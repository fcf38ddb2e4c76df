#include "parallel/executor.h"

#include <string>

#include "runtime/error.h"

namespace cairn {

Executor::Executor(const Compute& compute, const PipelineShape& shape,
                   Stages stages, Channels channels, ActivationStore& store,
                   Timeline& timeline)
    : compute_(compute),
      shape_(shape),
      stages_(std::move(stages)),
      store_(store),
      timeline_(timeline),
      channels_(std::move(channels)) {}

void Executor::run(const Program& program, Watch* watch) {
  watch_ = watch;
  for (const Action& action : program) perform(action);
  settle(program);
}

void Executor::perform(const Action& action) {
  Stage& stage = stage_of(action);
  const int last = stage.blocks() - 1;
  const bool whole = action.block == kWholeStage;
  const int low = whole ? 0 : action.block;
  const int high = whole ? last : action.block;
  switch (action.verb) {
    case Verb::kForward:
      for (int b = low; b <= high; ++b) forward(action, b);
      return;
    case Verb::kBackward:
    case Verb::kBackwardInput:
      for (int b = high; b >= low; --b) backward(action, b);
      return;
    case Verb::kBackwardWeight:
      for (int b = high; b >= low; --b) backward_weight(action, b);
      return;
    case Verb::kSendOutput:
      return send(action, action.stage + 1);
    case Verb::kReceiveInput:
      return receive(action, action.stage - 1);
    case Verb::kSendGradient:
      return send(action, action.stage - 1);
    case Verb::kReceiveGradient:
      return receive(action, action.stage + 1);
    case Verb::kGather:
      return stage.gather(action.block);
    case Verb::kDrop:
      return stage.drop(action.block);
    case Verb::kReduce:
      return stage.reduce(action.block, action.microbatch);
    case Verb::kSendShared:
      return stage.send_shared(to_text(action));
    case Verb::kReceiveShared:
      return stage.receive_shared(to_text(action));
  }
}

void Executor::forward(const Action& action, int block) {
  Stage& stage = stage_of(action);
  const int s = action.stage;
  const SlotKey key{s, block, action.microbatch};
  Tensor value = s == 0 && block == 0 ? stage.tokens(action.microbatch)
                                      : take(inputs_, key, action);
  const Call call = stage.forward_call(block, action.microbatch);
  const Timeline::Span span =
      timeline_.open(call.stream, Phase::kCompute, to_text(action));
  Saved saved;
  value =
      stage.block(block).forward(call, value, call.training ? &saved : nullptr);
  if (call.training)
    store_.put(key, stage.block(block), call, std::move(saved));
  if (watch_ != nullptr) watch_->forward_done(key, value);
  const bool ends = block + 1 == stage.blocks();
  if (ends && s + 1 == shape_.stages()) return;
  const SlotKey next = ends ? SlotKey{s + 1, 0, action.microbatch}
                            : SlotKey{s, block + 1, action.microbatch};
  inputs_[next] = {std::move(value), nullptr};
}

void Executor::backward(const Action& action, int block) {
  Stage& stage = stage_of(action);
  const int s = action.stage;
  const SlotKey key{s, block, action.microbatch};
  const bool top = block + 1 == stage.blocks();
  Tensor gradient;
  if (!top || s + 1 < shape_.stages()) {
    gradient = take(gradients_,
                    {s, top ? kWholeStage : block, action.microbatch}, action);
  }
  const Call call = stage.backward_call(block, action.microbatch);
  const Timeline::Span span =
      timeline_.open(call.stream, Phase::kCompute, to_text(action));
  Saved saved = store_.take(key, stage.block(block), call);
  const bool split = action.verb == Verb::kBackwardInput;
  WeightWork work(split ? WeightWork::When::kLater : WeightWork::When::kNow);
  gradient = stage.block(block).backward_input(call, std::move(gradient),
                                               std::move(saved), work);
  if (split) weight_work_.emplace(key, std::move(work));
  if (watch_ != nullptr) watch_->backward_done(key, call, gradient);
  if (s == 0 && block == 0) return;
  const SlotKey next = block > 0
                           ? SlotKey{s, block - 1, action.microbatch}
                           : SlotKey{s - 1, kWholeStage, action.microbatch};
  gradients_[next] = {std::move(gradient), nullptr};
}

void Executor::backward_weight(const Action& action, int block) {
  auto node = weight_work_.extract({action.stage, block, action.microbatch});
  if (node.empty()) {
    throw Error(Code::kBadArgument,
                to_text(action) + " comes before its input half, or twice");
  }
  const Timeline::Span span =
      timeline_.open(compute_.stream, Phase::kCompute, to_text(action));
  node.mapped().run();
}

void Executor::send(const Action& action, int to) {
  const bool forth = to > action.stage;
  auto& from = forth ? inputs_ : gradients_;
  const SlotKey key{to, forth ? 0 : kWholeStage, action.microbatch};
  channel(action, action.stage, to)
      .send(take(from, key, action), to_text(action));
}

void Executor::receive(const Action& action, int from) {
  const bool forth = from < action.stage;
  Stage& stage = stage_of(action);
  auto& into = forth ? inputs_ : gradients_;
  const SlotKey key{action.stage, forth ? 0 : kWholeStage, action.microbatch};
  into[key] = channel(action, from, action.stage)
                  .receive(stage.dtype(),
                           forth ? stage.input_shape() : stage.gradient_shape(),
                           to_text(action));
}

Tensor Executor::take(std::map<SlotKey, Arrival>& from, const SlotKey& key,
                      const Action& action) {
  auto node = from.extract(key);
  if (node.empty()) {
    throw Error(Code::kBadArgument,
                to_text(action) +
                    " takes what was not made before it, or "
                    "was taken already");
  }
  return await(compute_, timeline_, std::move(node.mapped()));
}

Stage& Executor::stage_of(const Action& action) {
  const auto found = stages_.find(action.stage);
  if (found != stages_.end()) return *found->second;
  throw Error(Code::kBadArgument,
              to_text(action) + " is of a stage that this rank does not have");
}

Channel& Executor::channel(const Action& action, int from, int to) {
  const auto found = channels_.find({from, to});
  if (found != channels_.end()) return *found->second;
  throw Error(Code::kBadArgument,
              to_text(action) + " crosses from stage " + std::to_string(from) +
                  " to " + std::to_string(to) + ", which have no channel here");
}

// Lets go of what was sent last, and makes sure that nothing is left.
void Executor::settle(const Program& program) {
  for (auto& [edge, channel] : channels_) channel->settle();
  if (inputs_.empty() && gradients_.empty() && weight_work_.empty()) return;
  throw Error(Code::kBadArgument,
              "a program leaves work over: " + std::to_string(inputs_.size()) +
                  " inputs, " + std::to_string(gradients_.size()) +
                  " gradients and " + std::to_string(weight_work_.size()) +
                  " weight halves after " + to_text(program.back()));
}

Executor::Channels make_channels(const Compute& compute, Timeline& timeline,
                                 World& world, const ChannelOptions& options) {
  Executor::Channels channels;
  const auto connect = [&](int from, int to) {
    const int a = options.shape.rank_of(from);
    const int b = options.shape.rank_of(to);
    if (a == b || (a != options.place && b != options.place)) return;
    const std::string name =
        "stage " + std::to_string(from) + " to " + std::to_string(to);
    channels[{from, to}] = std::make_unique<Channel>(
        compute, timeline,
        world.make(name, {options.ranks[a], options.ranks[b]}),
        options.capacity);
  };
  for (int s = 0; s + 1 < options.shape.stages(); ++s) {
    connect(s, s + 1);
    connect(s + 1, s);
  }
  return channels;
}

}  // namespace cairn
