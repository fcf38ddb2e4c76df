// A Block is the unit that is run, saved, moved and sharded as one: an
// embedding, a transformer layer, a head with its loss.
//
// A block holds its shape and nothing else: parameters, gradients and saved
// activations are handed to it with each call, so that whoever owns them may
// shard, move or drop them in between. A block only enqueues kernels on the
// call's stream; every method may be called for one micro-batch while others
// are in flight.
//
// What forward saves is cut into groups. The first group is the block's input,
// its boundary, and is always kept; every other group can be made again by
// rebuild from those before it, to the bit.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/kernels.h"
#include "runtime/memory.h"
#include "runtime/parameters.h"
#include "runtime/tensor.h"

namespace cairn {

// A micro-batch: `samples` sequences of `sequence` tokens.
struct BatchShape {
  std::int64_t samples = 1;
  std::int64_t sequence = 1;

  std::int64_t tokens() const { return samples * sequence; }
};

// What making a group again costs: nothing else can (the boundary), a pass over
// memory, a matrix product, or attention, which takes longest for its bytes.
enum class Remake : std::uint8_t { kNever, kElementwise, kMatrix, kAttention };

struct GroupSpec {
  std::string name;
  Remake remake = Remake::kNever;
  std::size_t bytes = 0;
};

// A saved group: its tensor, and a small companion (statistics) if it has one.
struct SavedGroup {
  Tensor tensor;
  Tensor companion;
};

// What one forward left for its backward, by group.
struct Saved {
  std::vector<SavedGroup> groups;

  bool has(int group) const { return static_cast<bool>(groups[group].tensor); }
  void drop(int group) { groups[group] = {}; }
};

// One call of a block on one micro-batch: what it works with.
struct Call {
  Kernels& kernels;
  Stream& stream;
  MemoryResource& memory;
  DType dtype = DType::kF32;
  BatchShape batch;
  std::span<const TensorView> parameters;  // as the block declared them
  std::span<const TensorView> gradients;   // likewise; none in evaluation
  bool accumulate = false;    // add to the gradients instead of setting them
  bool training = false;      // dropout is drawn
  bool deterministic = true;  // as the kernels were asked to be
  std::uint64_t seed = 0;     // of the run, for dropout
  std::uint64_t first_sample = 0;  // number of the first sample since the start
  int block = 0;                   // index in the model

  // For the first block: the row of each token in its compact gradient.
  TensorView token_rows;
  // For the last block: what should follow each token, where the mean loss goes
  // and the weight of a token's loss in the gradient.
  TensorView targets;
  TensorView loss;
  float loss_scale = 1.0F;
  // If given, [samples, vocab]: the last block writes the logits of each
  // sample's last token here, and no loss.
  TensorView logits;

  Tensor make(Owner owner, const Shape& shape) const {
    return {memory, stream, owner, dtype, shape};
  }
  Tensor make(Owner owner, DType other, const Shape& shape) const {
    return {memory, stream, owner, other, shape};
  }
  // The dropout of place `site` (0 to 7) in this block.
  Dropout dropout(float probability, int site) const {
    return {training ? probability : 0.0F, seed, first_sample,
            static_cast<std::uint16_t>(block * 8 + site)};
  }
};

// The weight half of a backward: work that nobody waits for. It runs as it is
// added, or is kept until run(), with the tensors it needs, in the same order
// and to the same bits.
class WeightWork {
 public:
  enum class When : std::uint8_t { kNow, kLater };

  explicit WeightWork(When when) : when_(when) {}

  void add(std::function<void()> work);
  void run();

 private:
  When when_;
  std::vector<std::function<void()>> kept_;
};

class Block {
 public:
  virtual ~Block() = default;

  // In the order in which Call lists them. Blocks of one model that declare
  // the same name share the parameter.
  virtual std::vector<ParameterSpec> parameters() const = 0;

  // The saved groups of one micro-batch, boundary first.
  virtual std::vector<GroupSpec> groups(const BatchShape& batch,
                                        DType dtype) const = 0;

  // Of what forward returns, and so of the gradient that comes back for it; no
  // dims for the last block of a model.
  virtual Shape output_shape(const BatchShape& batch) const = 0;

  // Returns the output; fills `saved` unless it is null (evaluation). The last
  // block of a model returns nothing: its loss comes with backward, or goes to
  // call.loss when `saved` is null.
  virtual Tensor forward(const Call& call, const Tensor& input,
                         Saved* saved) const = 0;

  // Makes the groups that `saved` lacks. Never replays what backward does not
  // need, such as the block's last matrix product.
  virtual void rebuild(const Call& call, Saved& saved) const = 0;

  // The input half of backward: returns the gradient of the input and adds the
  // weight half to `later`. Takes `dy` and `saved`, may overwrite both, and
  // lets go of each group after its last use. Needs every group.
  virtual Tensor backward_input(const Call& call, Tensor dy, Saved saved,
                                WeightWork& later) const = 0;

  // Both halves at once.
  Tensor backward(const Call& call, Tensor dy, Saved saved) const;

  // Whether rebuild or either half of backward reads the parameters. If not,
  // they may be gone by then.
  virtual bool backward_reads_parameters() const { return true; }

  // Floating-point operations of one forward, matrix products and attention
  // only (causal attention at half the square).
  virtual double flops(const BatchShape& batch) const = 0;
};

// Names one saved value of one rank.
struct SlotKey {
  int stage = 0;
  int block = 0;
  int microbatch = 0;

  friend auto operator<=>(const SlotKey&, const SlotKey&) = default;
};

// Where saved values wait between forward and backward.
//
// put and take are called once for each key, in that order. take gives back
// exactly what put was given, to the bit, whatever the store did in between.
class ActivationStore {
 public:
  virtual ~ActivationStore() = default;

  virtual void put(const SlotKey& key, const Block& block, const Call& call,
                   Saved saved) = 0;

  virtual Saved take(const SlotKey& key, const Block& block,
                     const Call& call) = 0;
};

}  // namespace cairn
