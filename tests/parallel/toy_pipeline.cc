#include "tests/parallel/toy_pipeline.h"

#include <mutex>

#include "tests/support/thread_ranks.h"

namespace cairn {
namespace {

constexpr std::int64_t kWidth = 12;
constexpr BatchShape kBatch{1, 5};
constexpr std::uint64_t kSeed = 11;

Shape activations(const BatchShape& batch) { return {batch.tokens(), kWidth}; }

}  // namespace

std::vector<ParameterSpec> ToyBlock::parameters() const {
  return {{"weight", {kWidth, kWidth}, Init::kNormal, 0.3F}};
}

std::vector<GroupSpec> ToyBlock::groups(const BatchShape& batch,
                                        DType dtype) const {
  const auto elements = static_cast<std::size_t>(activations(batch).elements());
  return {{"input", Remake::kNever, elements * size_of(dtype)}};
}

Shape ToyBlock::output_shape(const BatchShape& batch) const {
  return is_last_ ? Shape{} : activations(batch);
}

Tensor ToyBlock::forward(const Call& call, const Tensor& input,
                         Saved* saved) const {
  if (saved != nullptr) saved->groups = {{input, {}}};
  if (is_last_) return {};
  Tensor y = call.make(Owner::kActivations, activations(call.batch));
  LinearForward op;
  op.x = input;
  op.w = call.parameters[0];
  op.y = y;
  call.kernels.linear_forward(call.stream, op);
  return y;
}

Tensor ToyBlock::backward_input(const Call& call, Tensor dy, Saved saved,
                                WeightWork& later) const {
  const Shape shape = activations(call.batch);
  const Tensor x = saved.groups[0].tensor;
  if (is_last_) {
    dy = call.make(Owner::kTransients, shape);
    LinearForward op;
    op.x = x;
    op.w = call.parameters[0];
    op.y = dy;
    call.kernels.linear_forward(call.stream, op);
  }
  Tensor dx = call.make(Owner::kTransients, shape);
  LinearBackwardInput input;
  input.dy = dy;
  input.w = call.parameters[0];
  input.dx = dx;
  call.kernels.linear_backward_input(call.stream, input);
  later.add([&kernels = call.kernels, &stream = call.stream, dy, x,
             dw = call.gradients[0], accumulate = call.accumulate] {
    kernels.linear_backward_weight(stream, {dy, x, dw, {}, accumulate});
  });
  return dx;
}

double ToyBlock::flops(const BatchShape& batch) const {
  return 2.0 * static_cast<double>(batch.tokens() * kWidth * kWidth);
}

ToyStage::ToyStage(const Compute& compute, const ToyPipeline& pipeline,
                   int stage)
    : compute_(compute) {
  for (int b = 0; b < pipeline.blocks; ++b) {
    const int number = stage * pipeline.blocks + b;
    blocks_.emplace_back(number + 1 == pipeline.all_blocks());
    const Shape shape{kWidth, kWidth};
    weights.push_back(compute.make(Owner::kParameters, DType::kF32, shape));
    gradients.push_back(compute.make(Owner::kGradients, DType::kF32, shape));
    compute.kernels.fill_normal(
        compute.stream,
        {weights.back(), 0.3F, kSeed, static_cast<std::uint32_t>(number), 0});
  }
  if (stage > 0) return;
  inputs_ =
      compute.make(Owner::kData, DType::kF32,
                   {pipeline.shape.microbatches * kBatch.tokens(), kWidth});
  compute.kernels.fill_normal(compute.stream, {inputs_, 1.0F, kSeed, 999, 0});
}

Call ToyStage::forward_call(int index, int microbatch) {
  parameters_ = {weights[static_cast<std::size_t>(index)]};
  Call call{compute_.kernels, compute_.stream, compute_.memory};
  call.batch = kBatch;
  call.parameters = parameters_;
  call.training = true;
  call.accumulate = microbatch > 0;
  return call;
}

Call ToyStage::backward_call(int index, int microbatch) {
  Call call = forward_call(index, microbatch);
  gradient_views_ = {gradients[static_cast<std::size_t>(index)]};
  call.gradients = gradient_views_;
  return call;
}

Tensor ToyStage::tokens(int microbatch) {
  const std::int64_t size = kBatch.tokens() * kWidth;
  return Tensor::borrowed(
      inputs_.view().part(microbatch * size, activations(kBatch)));
}

Shape ToyStage::input_shape() const { return activations(kBatch); }

ToyRank::ToyRank(Backend& backend, MemoryResource& memory, World& world,
                 const ToyPipeline& pipeline)
    : backend_(backend),
      pipeline_(pipeline),
      stream_(backend.make_stream("compute")),
      workspace_(memory, *stream_, Owner::kWorkspace, DType::kF32,
                 {static_cast<std::int64_t>(backend.workspace_bytes()) / 4}),
      kernels_(backend.make_kernels(workspace_)),
      store_(policy_named("keep"), timeline_) {
  const Compute compute{backend, memory, *stream_, *kernels_};
  const PipelineShape& shape = pipeline.shape;
  Executor::Stages stages;
  for (int s = world.rank(); s < shape.stages(); s += shape.ranks) {
    stages_[s] = std::make_unique<ToyStage>(compute, pipeline, s);
    stages[s] = stages_[s].get();
  }
  std::vector<int> ranks;
  for (int r = 0; r < shape.ranks; ++r) ranks.push_back(r);
  executor_ = std::make_unique<Executor>(
      compute, shape, stages,
      make_channels(compute, timeline_, world,
                    {shape, ranks, world.rank(), pipeline.capacity}),
      store_, timeline_);
}

std::map<int, std::vector<float>> ToyRank::gradients() {
  std::map<int, std::vector<float>> all;
  for (auto& [number, stage] : stages_) {
    for (int b = 0; b < pipeline_.blocks; ++b) {
      const Tensor& from = stage->gradients[static_cast<std::size_t>(b)];
      std::vector<float>& to = all[number * pipeline_.blocks + b];
      to.resize(static_cast<std::size_t>(from.view().elements()));
      backend_.download(*stream_, to.data(), from);
    }
  }
  stream_->synchronize();
  return all;
}

std::map<int, std::vector<float>> toy_gradients(const ToyPipeline& pipeline,
                                                const Schedule& schedule) {
  std::mutex mutex;
  std::map<int, std::vector<float>> all;
  on_threads(pipeline.shape.ranks, [&](World& world) {
    const auto backend = make_backend("cpu", {1});
    ToyRank rank(*backend, backend->memory(), world, pipeline);
    rank.executor().run(
        schedule.programs[static_cast<std::size_t>(world.rank())]);
    auto mine = rank.gradients();
    const std::lock_guard lock(mutex);
    all.merge(mine);
  });
  return all;
}

}  // namespace cairn
