// A model of one's own on Cairn: a gated linear mixer instead of attention,
// written against the Block contract and trained by the stock command.
//
//   cmake -B build -DCMAKE_PREFIX_PATH=/where/cairn/is/installed
//   cmake --build build && ./build/mixer train config.toml
//
// with [model] family = "mixer" in config.toml.

#include <memory>
#include <string>
#include <utility>

#include "launcher/command.h"
#include "runtime/blocks.h"
#include "runtime/model.h"

namespace {

using cairn::Call;
using cairn::Owner;
using cairn::Tensor;

// y = x + swiglu(x w_in^T) w_out^T, each token by itself.
class Mixer final : public cairn::Block {
 public:
  Mixer(std::string name, std::int64_t width)
      : name_(std::move(name)), width_(width) {}

  std::vector<cairn::ParameterSpec> parameters() const override {
    using cairn::Init;
    return {{name_ + ".in", {2 * width_, width_}, Init::kNormal, 0.05F, false},
            {name_ + ".out", {width_, width_}, Init::kNormal, 0.05F, false}};
  }

  std::vector<cairn::GroupSpec> groups(const cairn::BatchShape& batch,
                                       cairn::DType dtype) const override {
    using cairn::Remake;
    const auto row = static_cast<std::size_t>(batch.tokens() * width_) *
                     cairn::size_of(dtype);
    return {{"input", Remake::kNever, row},
            {"gates", Remake::kMatrix, 2 * row},
            {"mixed", Remake::kElementwise, row}};
  }

  cairn::Shape output_shape(const cairn::BatchShape& batch) const override {
    return {batch.tokens(), width_};
  }

  Tensor forward(const Call& call, const Tensor& input,
                 cairn::Saved* saved) const override {
    cairn::Saved own;
    cairn::Saved& all = saved != nullptr ? *saved : own;
    all.groups.assign(3, {});
    all.groups[0].tensor = input;
    rebuild(call, all);
    Tensor out = call.make(Owner::kActivations, input.shape());
    cairn::LinearForward op;
    op.x = all.groups[2].tensor;
    op.w = call.parameters[1];
    op.y = out;
    op.residual = input;
    call.kernels.linear_forward(call.stream, op);
    return out;
  }

  void rebuild(const Call& call, cairn::Saved& saved) const override {
    Tensor& gates = saved.groups[1].tensor;
    Tensor& mixed = saved.groups[2].tensor;
    if (!gates) {
      gates = call.make(Owner::kActivations, {call.batch.tokens(), 2 * width_});
      cairn::LinearForward op;
      op.x = saved.groups[0].tensor;
      op.w = call.parameters[0];
      op.y = gates;
      call.kernels.linear_forward(call.stream, op);
    }
    if (!mixed) {
      mixed = call.make(Owner::kActivations, {call.batch.tokens(), width_});
      call.kernels.swiglu_forward(call.stream, {gates, mixed});
    }
  }

  Tensor backward_input(const Call& call, Tensor dy, cairn::Saved saved,
                        cairn::WeightWork& later) const override {
    add_weight_work(call, 1, dy, saved.groups[2].tensor, later);
    const Tensor dmixed = call.make(Owner::kTransients, dy.shape());
    call.kernels.linear_backward_input(call.stream,
                                       {dy, call.parameters[1], dmixed});
    const Tensor& gates = saved.groups[1].tensor;
    const Tensor dgates = call.make(Owner::kTransients, gates.shape());
    call.kernels.swiglu_backward(call.stream, {dmixed, gates, dgates});
    add_weight_work(call, 0, dgates, saved.groups[0].tensor, later);
    Tensor dx = call.make(Owner::kTransients, dy.shape());
    call.kernels.linear_backward_input(call.stream,
                                       {dgates, call.parameters[0], dx});
    call.kernels.add(call.stream, dy, dx);
    return dx;
  }

  double flops(const cairn::BatchShape& batch) const override {
    return 6.0 * static_cast<double>(batch.tokens() * width_ * width_);
  }

 private:
  static void add_weight_work(const Call& call, int slot, const Tensor& dy,
                              const Tensor& x, cairn::WeightWork& later) {
    later.add([dy, x, dw = call.gradients[slot], accumulate = call.accumulate,
               &kernels = call.kernels, &stream = call.stream] {
      kernels.linear_backward_weight(stream, {dy, x, dw, {}, accumulate});
    });
  }

  std::string name_;
  std::int64_t width_;
};

cairn::Blocks make_mixer(const cairn::ModelConfig& config) {
  cairn::Blocks blocks;
  blocks.push_back(cairn::make_embedding(
      {config.vocab, config.width, config.context, 0.0F, 0.02F}));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    blocks.push_back(
        std::make_unique<Mixer>("block." + std::to_string(i), config.width));
  }
  blocks.push_back(cairn::make_head({config.vocab, config.width}));
  return blocks;
}

}  // namespace

int main(int argc, char** argv) {
  cairn::ModelFamilies families = cairn::built_in_families();
  families.add("mixer", make_mixer);
  return cairn::run_command(argc, argv, families);
}
