#include "parallel/executor.h"

#include <utility>

#include "runtime/error.h"

namespace cairn {

Executor::Executor(Stage& stage, ActivationStore& store, Timeline& timeline)
    : stage_(stage), store_(store), timeline_(timeline) {}

void Executor::run(const Program& program) {
  for (const Action& action : program) perform(action);
}

void Executor::perform(const Action& action) {
  switch (action.verb) {
    case Verb::kForward:
      return forward(action);
    case Verb::kBackward:
      return backward(action);
    default:
      throw Error(Code::kBadArgument,
                  to_text(action) + " is not for a pipeline of one stage");
  }
}

void Executor::forward(const Action& action) {
  const int microbatch = action.microbatch;
  const Timeline::Span span = timeline_.open(stage_.call(0, microbatch).stream,
                                             Phase::kCompute, to_text(action));
  Tensor value = stage_.input(microbatch);
  for (int b = 0; b < stage_.blocks(); ++b) {
    const Call call = stage_.call(b, microbatch);
    Saved saved;
    value = stage_.block(b).forward(call, value, &saved);
    store_.put({action.stage, b, microbatch}, stage_.block(b), call,
               std::move(saved));
  }
  in_flight_.insert(microbatch);
}

void Executor::backward(const Action& action) {
  const int microbatch = action.microbatch;
  if (in_flight_.erase(microbatch) == 0) {
    throw Error(Code::kBadArgument, to_text(action) +
                                        " comes before the forward of its "
                                        "micro-batch, or twice");
  }
  const Timeline::Span span = timeline_.open(stage_.call(0, microbatch).stream,
                                             Phase::kCompute, to_text(action));
  Tensor gradient;
  for (int b = stage_.blocks() - 1; b >= 0; --b) {
    const Call call = stage_.call(b, microbatch);
    Saved saved =
        store_.take({action.stage, b, microbatch}, stage_.block(b), call);
    gradient =
        stage_.block(b).backward(call, std::move(gradient), std::move(saved));
  }
}

}  // namespace cairn
