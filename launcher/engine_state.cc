#include "launcher/engine_state.h"

#include <algorithm>

namespace cairn {
namespace {

std::int64_t all_norm_chunks(const ParameterLayout& layout) {
  std::int64_t chunks = 0;
  for (const ParameterLayout::Entry& entry : layout.entries()) {
    chunks += squared_norm_chunks(entry.spec.shape.elements());
  }
  return chunks;
}

}  // namespace

std::int64_t most_rows(const Model& model, const EngineOptions& options) {
  return std::min(model.vocab(), options.batch.tokens() * options.microbatches);
}

EngineState::EngineState(Backend& on, MemoryResource& from, const Model& model,
                         const EngineOptions& options)
    : backend(on),
      memory(from),
      layout(model.layout()),
      stream(on.make_stream("compute")) {
  const auto make = [&](Owner owner, DType dtype, const Shape& shape) {
    return Tensor(memory, *stream, owner, dtype, shape);
  };
  const Shape flat{layout.elements()};
  parameters = make(Owner::kParameters, DType::kF32, flat);
  gradients = make(Owner::kGradients, DType::kF32, flat);
  m = make(Owner::kOptimizer, DType::kF32, flat);
  v = make(Owner::kOptimizer, DType::kF32, flat);

  const std::int64_t rows = most_rows(model, options);
  for (const Model::RowGradient& row : model.row_gradients()) {
    const std::int64_t width = layout.entries()[row.parameter].spec.shape[1];
    row_gradients.push_back(
        make(Owner::kGradients, DType::kF32, {rows, width}));
  }
  const Shape tokens{options.microbatches, options.batch.tokens()};
  inputs = make(Owner::kData, DType::kI32, tokens);
  targets = make(Owner::kData, DType::kI32, tokens);
  token_rows = make(Owner::kData, DType::kI32, tokens);
  row_tokens =
      make(Owner::kData, DType::kI32, {std::max<std::int64_t>(rows, 1)});
  losses = make(Owner::kData, DType::kF32, {options.microbatches});
  partials = make(Owner::kData, DType::kF64, {all_norm_chunks(layout)});
  norm = make(Owner::kData, DType::kF32, {1});
  factor = make(Owner::kData, DType::kF32, {1});
  finite = make(Owner::kData, DType::kF32, {1});

  const auto bytes = static_cast<std::int64_t>(backend.workspace_bytes());
  workspace = make(Owner::kWorkspace, DType::kF32, {(bytes + 3) / 4});
  kernels = backend.make_kernels(workspace);
}

TensorView EngineState::parameter(int index) const {
  return layout.view(parameters, index);
}

TensorView EngineState::gradient(int index) const {
  return layout.view(gradients, index);
}

}  // namespace cairn
