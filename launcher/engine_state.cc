#include "launcher/engine_state.h"

#include <algorithm>

namespace cairn {

std::int64_t most_rows(const Model& model, const EngineOptions& options) {
  return std::max<std::int64_t>(
      1, std::min(model.vocab(),
                  options.batch.tokens() * options.group_microbatches()));
}

EngineState::EngineState(Backend& on, MemoryResource& from, const Model& model,
                         const EngineOptions& options, bool first, bool last)
    : backend(on), memory(from), stream(on.make_stream("compute")) {
  const auto make = [&](Owner owner, DType dtype, const Shape& shape) {
    return Tensor(memory, *stream, owner, dtype, shape);
  };
  const auto bytes = static_cast<std::int64_t>(backend.workspace_bytes());
  workspace = make(Owner::kWorkspace, DType::kF32, {(bytes + 3) / 4});
  kernels = backend.make_kernels(workspace);

  const Shape tokens{options.microbatches, options.batch.tokens()};
  if (first) {
    inputs = make(Owner::kData, DType::kI32, tokens);
    token_rows = make(Owner::kData, DType::kI32, tokens);
    row_tokens =
        make(Owner::kData, DType::kI32,
             {options.parallel.gradient_groups, most_rows(model, options)});
  }
  if (last) targets = make(Owner::kData, DType::kI32, tokens);
  const std::int64_t report_size = options.microbatches + 1;
  report = make(Owner::kData, DType::kF32, {report_size});
  reports =
      make(Owner::kData, DType::kF32, {options.parallel.data, report_size});
  loss = make(Owner::kData, DType::kF32, {1});
  finite = make(Owner::kData, DType::kF32, {1});
  numbers = make(Owner::kData, DType::kF64,
                 {std::max(options.parallel.pipeline, options.parallel.data)});
}

}  // namespace cairn
