// Carries out one rank's program. The only place that does.
//
// Values go from block to block, from stage to stage on one rank by hand and
// between ranks over channels; which of these it is, the program says.
//
// Threads: fed from the rank's own thread; it only enqueues work.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "parallel/action.h"
#include "parallel/channel.h"
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
  // When it is not training, nothing is saved.
  virtual Call forward_call(int index, int microbatch) = 0;
  virtual Call backward_call(int index, int microbatch) = 0;

  // The tokens of `microbatch`; for the first stage.
  virtual Tensor tokens(int microbatch) = 0;

  // Shapes of what comes in from the stages beside this one.
  virtual Shape input_shape() const = 0;
  virtual Shape gradient_shape() const = 0;
  virtual DType dtype() const = 0;

  // What the actions G, D, R, ss and rs do. `label` names a transfer in traces.
  virtual void gather(int index) = 0;
  virtual void drop(int index) = 0;
  virtual void reduce(int index, int microbatch) = 0;
  virtual void send_shared(const std::string& label) = 0;
  virtual void receive_shared(const std::string& label) = 0;
};

// Looks at every value as it is made; for finding where a run diverged.
class Watch {
 public:
  virtual ~Watch() = default;

  virtual void forward_done(const SlotKey& key, const TensorView& output) = 0;
  // `gradient` is none where none leaves the block.
  virtual void backward_done(const SlotKey& key, const Call& call,
                             const TensorView& gradient) = 0;
};

class Executor {
 public:
  // Channels by (from stage, to stage). All but the channels outlives this.
  using Stages = std::map<int, Stage*>;
  using Channels = std::map<std::pair<int, int>, std::unique_ptr<Channel>>;
  Executor(const Compute& compute, const PipelineShape& shape, Stages stages,
           Channels channels, ActivationStore& store, Timeline& timeline);

  // Enqueues the whole program. Throws kBadArgument, naming the action, if it
  // takes what was never made or leaves something over.
  void run(const Program& program, Watch* watch = nullptr);

 private:
  void perform(const Action& action);
  void forward(const Action& action, int block);
  void backward(const Action& action, int block);
  void backward_weight(const Action& action, int block);
  void send(const Action& action, int to);
  void receive(const Action& action, int from);
  Tensor take(std::map<SlotKey, Arrival>& from, const SlotKey& key,
              const Action& action);
  Stage& stage_of(const Action& action);
  Channel& channel(const Action& action, int from, int to);
  void settle(const Program& program);

  Compute compute_;
  PipelineShape shape_;
  Stages stages_;
  ActivationStore& store_;
  Timeline& timeline_;
  Watch* watch_ = nullptr;
  // By the block that will take them; block kWholeStage is a stage's last.
  std::map<SlotKey, Arrival> inputs_;
  std::map<SlotKey, Arrival> gradients_;
  std::map<SlotKey, WeightWork> weight_work_;
  // Last: channels end their transfers before what these bring goes.
  Channels channels_;
};

// The pipeline that channels are made for.
struct ChannelOptions {
  PipelineShape shape;
  std::vector<int> ranks;  // of the pipeline, in the world
  int place = 0;           // of this rank among them
  int capacity = 1;        // parcels that a channel holds
};

// This rank's end of every edge between stages on different ranks that it is an
// end of. Collective over the pipeline.
Executor::Channels make_channels(const Compute& compute, Timeline& timeline,
                                 World& world, const ChannelOptions& options);

}  // namespace cairn
