#include "sharding/sharded_optimizer.h"

#include <cmath>

namespace cairn {
namespace {

std::int64_t pieces_before(const Model& model, int block) {
  std::int64_t pieces = 0;
  for (int b = 0; b < block; ++b) pieces += UnitLayout(model, b).pieces();
  return pieces;
}

}  // namespace

ShardedOptimizer::ShardedOptimizer(const Compute& compute, World& world,
                                   const Model& model,
                                   ShardedParameters& parameters,
                                   const AdamWOptions& options,
                                   const NormRanks& ranks)
    : compute_(compute), parameters_(parameters), options_(options) {
  for (const ShardedParameters::Unit& unit : parameters.units()) {
    Moments moments;
    if (!unit.copy && !unit.layout.empty()) {
      const Shape own{parameters.own(unit).size()};
      moments.m = compute.make(Owner::kOptimizer, DType::kF32, own);
      moments.v = compute.make(Owner::kOptimizer, DType::kF32, own);
      moments.first_piece = pieces_before(model, unit.block);
    }
    moments_.push_back(std::move(moments));
  }
  const std::int64_t pieces = pieces_before(model, model.blocks());
  partials_ = compute.make(Owner::kData, DType::kF64, {pieces});
  norm_ = compute.make(Owner::kData, DType::kF32, {1});
  factor_ = compute.make(Owner::kData, DType::kF32, {1});
  if (parameters.stage() >= 1 && ranks.data.size() > 1) {
    data_ = world.make("norm, data", ranks.data);
  }
  if (ranks.pipeline.size() > 1) {
    pipeline_ = world.make("norm, pipeline", ranks.pipeline);
  }
}

void ShardedOptimizer::reset() {
  Kernels& kernels = compute_.kernels;
  for (const Moments& moments : moments_) {
    if (!moments.m) continue;
    kernels.fill(compute_.stream, moments.m, 0.0F);
    kernels.fill(compute_.stream, moments.v, 0.0F);
  }
  kernels.fill(compute_.stream, factor_, 1.0F);
}

void ShardedOptimizer::step(std::uint64_t number, float lr) {
  parameters_.finish_reductions();
  measure();
  const double t = static_cast<double>(number) + 1;
  AdamW op;
  op.factor = factor_;
  op.lr = lr;
  op.beta1 = options_.beta1;
  op.beta2 = options_.beta2;
  op.epsilon = options_.epsilon;
  op.bias1 = static_cast<float>(1 - std::pow(double{options_.beta1}, t));
  op.bias2 = static_cast<float>(1 - std::pow(double{options_.beta2}, t));
  for (const std::size_t i : parameters_.update_order()) {
    ShardedParameters::Unit& unit = parameters_.units()[i];
    parameters_.make_room(unit);
    if (moments_[i].m) update(i, op);
    parameters_.publish(unit);
  }
}

void ShardedOptimizer::measure() {
  Kernels& kernels = compute_.kernels;
  Stream& stream = compute_.stream;
  if (data_ || pipeline_) kernels.fill(stream, partials_, 0.0F);
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    if (!moments_[i].m) continue;
    const ShardedParameters::Unit& unit = parameters_.units()[i];
    const Range pieces = unit.layout.pieces_in(parameters_.own(unit));
    if (pieces.size() == 0) continue;
    const std::int64_t elements = pieces.size() * unit.layout.piece();
    SquaredNorm op;
    op.x = parameters_.own_gradients(unit).part(0, {elements});
    op.chunk = unit.layout.piece();
    op.partials = partials_.view().part(moments_[i].first_piece + pieces.first,
                                        {pieces.size()});
    kernels.squared_norm(stream, op);
  }
  if (data_) data_->all_reduce(stream, partials_);
  if (pipeline_) pipeline_->all_reduce(stream, partials_);
  kernels.clip_factor(stream, {partials_, norm_, factor_, options_.clip});
}

// `shared` has what all parameters have in common. Neighbours that decay alike
// go together with the gaps between them, where all is zero and stays so.
void ShardedOptimizer::update(std::size_t index, const AdamW& shared) {
  const ShardedParameters::Unit& unit = parameters_.units()[index];
  const std::vector<UnitLayout::Entry>& entries = unit.layout.entries();
  for (std::size_t i = 0; i < entries.size();) {
    Range range = entries[i].range();
    AdamW op = shared;
    op.decay = entries[i].decays ? options_.weight_decay : 0.0F;
    const bool decays = entries[i].decays;
    for (; i < entries.size() && entries[i].decays == decays; ++i) {
      range.end = entries[i].range().end;
    }
    update_range(index, overlap(range, parameters_.own(unit)), op);
  }
}

void ShardedOptimizer::update_range(std::size_t index, const Range& range,
                                    AdamW op) {
  if (range.size() == 0) return;
  const ShardedParameters::Unit& unit = parameters_.units()[index];
  const std::int64_t first = range.first - parameters_.own(unit).first;
  const Shape shape{range.size()};
  op.param = parameters_.own_weights(unit).part(first, shape);
  if (unit.master) op.copy = parameters_.own_computed(unit).part(first, shape);
  op.grad = parameters_.own_gradients(unit).part(first, shape);
  op.m = moments_[index].m.view().part(first, shape);
  op.v = moments_[index].v.view().part(first, shape);
  compute_.kernels.adamw(compute_.stream, op);
}

}  // namespace cairn
