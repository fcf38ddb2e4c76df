#include <utility>

#include "runtime/blocks.h"

namespace cairn {
namespace {

// y = dropout(table[token] + positions[position]).
class EmbeddingBlock final : public Block {
 public:
  explicit EmbeddingBlock(const EmbeddingShape& shape) : shape_(shape) {}

  std::vector<ParameterSpec> parameters() const override {
    std::vector<ParameterSpec> specs{{kTokenTable,
                                      {shape_.vocab, shape_.width},
                                      Init::kNormal,
                                      shape_.deviation,
                                      /*by_rows=*/true}};
    if (shape_.positions > 0) {
      specs.push_back({"embedding.position",
                       {shape_.positions, shape_.width},
                       Init::kNormal,
                       shape_.deviation,
                       /*by_rows=*/false});
    }
    return specs;
  }

  std::vector<GroupSpec> groups(const BatchShape& batch,
                                DType /*dtype*/) const override {
    const auto bytes = static_cast<std::size_t>(batch.tokens()) * 4;
    return {{"tokens", Remake::kNever, bytes}};
  }

  Shape output_shape(const BatchShape& batch) const override {
    return {batch.tokens(), shape_.width};
  }

  Tensor forward(const Call& call, const Tensor& input,
                 Saved* saved) const override {
    if (saved != nullptr) saved->groups.assign(1, {input, {}});
    Tensor out =
        call.make(Owner::kActivations, {call.batch.tokens(), shape_.width});
    EmbeddingForward op;
    op.tokens = input;
    op.table = call.parameters[0];
    if (shape_.positions > 0) op.positions = call.parameters[1];
    op.y = out;
    op.dropout = call.dropout(shape_.dropout, 0);
    op.sequence = call.batch.sequence;
    call.kernels.embedding_forward(call.stream, op);
    return out;
  }

  void rebuild(const Call& /*call*/, Saved& /*saved*/) const override {}

  // All of it is the weight half: tokens have no gradient.
  Tensor backward_input(const Call& call, Tensor dy, Saved /*saved*/,
                        WeightWork& later) const override {
    EmbeddingBackward op;
    op.rows = call.token_rows;
    op.dy = dy;
    op.drows = call.gradients[0];
    if (shape_.positions > 0) op.dpositions = call.gradients[1];
    op.dropout = call.dropout(shape_.dropout, 0);
    op.sequence = call.batch.sequence;
    op.accumulate = call.accumulate;
    later.add([&kernels = call.kernels, &stream = call.stream, op, dy] {
      kernels.embedding_backward(stream, op);
    });
    return {};
  }

  bool backward_reads_parameters() const override { return false; }

  double flops(const BatchShape& /*batch*/) const override { return 0; }

 private:
  EmbeddingShape shape_;
};

}  // namespace

std::unique_ptr<Block> make_embedding(const EmbeddingShape& shape) {
  return std::make_unique<EmbeddingBlock>(shape);
}

}  // namespace cairn
