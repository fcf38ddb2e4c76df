// Carries out one rank's program. The only place that does.
//
// Threads: fed from the rank's own thread; it only enqueues work.

#pragma once

#include <set>

#include "parallel/action.h"
#include "runtime/block.h"
#include "runtime/timeline.h"

namespace cairn {

// A rank's piece of the model, as the executor sees it. Whoever implements it
// decides where parameters and gradients are.
class Stage {
 public:
  virtual ~Stage() = default;

  virtual int blocks() const = 0;
  virtual const Block& block(int index) const = 0;

  // What block `index` works with on `microbatch`. Valid until the next call.
  virtual Call call(int index, int microbatch) = 0;

  // The tokens of `microbatch`; for the first stage.
  virtual Tensor input(int microbatch) = 0;
};

class Executor {
 public:
  // All must outlive the executor.
  Executor(Stage& stage, ActivationStore& store, Timeline& timeline);

  // Enqueues the whole program. Throws kBadArgument, naming the action, if a
  // program takes what it never made.
  void run(const Program& program);

 private:
  void perform(const Action& action);
  void forward(const Action& action);
  void backward(const Action& action);

  Stage& stage_;
  ActivationStore& store_;
  Timeline& timeline_;
  std::set<int> in_flight_;  // micro-batches between forward and backward
};

}  // namespace cairn
