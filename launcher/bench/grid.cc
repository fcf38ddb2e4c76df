#include "launcher/bench/grid.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string>

#include "checkpoint/activations/policy.h"

namespace cairn {
namespace {

struct GridModel {
  const char* family;
  std::int64_t width;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t ffn;
  std::int64_t vocab;
  std::int64_t samples;
  std::int64_t sequence;
  std::int64_t layers = 1;  // as many as do not make a step too long
};

constexpr std::array<GridModel, 3> kCpuModels = {{
    {"gpt2", 128, 4, 4, 512, 1024, 4, 64},
    {"gpt2", 256, 4, 4, 1024, 512, 2, 128},
    {"llama", 192, 3, 1, 512, 512, 2, 64},
}};

constexpr std::array<GridModel, 5> kCudaModels = {{
    {"gpt2", 512, 8, 8, 2048, 32768, 8, 512, 2},
    {"gpt2", 1024, 16, 16, 4096, 50304, 2, 1024, 2},
    {"gpt2", 768, 12, 12, 3072, 50304, 8, 1024, 1},
    {"llama", 1024, 16, 4, 4096, 32000, 1, 2048, 2},
    {"llama", 2048, 16, 8, 5504, 32000, 1, 4096, 1},
}};

constexpr std::array<GridModel, 12> kCudaBf16Models = {{
    {"gpt2", 512, 8, 8, 2048, 32768, 8, 512, 8},
    {"gpt2", 768, 12, 12, 3072, 50304, 2, 1024, 12},
    {"gpt2", 1024, 16, 16, 4096, 50304, 8, 1024, 6},
    {"gpt2", 1024, 16, 16, 4096, 50304, 64, 1024, 2},
    {"gpt2", 768, 12, 12, 3072, 50304, 16, 2048, 4},
    {"gpt2", 1536, 24, 24, 6144, 50304, 16, 1024, 3},
    {"gpt2", 2048, 32, 32, 8192, 50304, 8, 1024, 2},
    {"llama", 1024, 16, 4, 4096, 32000, 2, 4096, 6},
    {"llama", 2048, 32, 8, 8192, 128256, 3, 4096, 2},
    {"llama", 2048, 16, 8, 5504, 32000, 8, 2048, 3},
    {"llama", 4096, 32, 8, 14336, 128256, 2, 4096, 1},
    {"llama", 4096, 32, 32, 11008, 32000, 1, 8192, 1},
}};

// Attention alone: its time hangs on more than sizes of products, and the grid
// of models has few.
struct GridHeads {
  std::int64_t sequence;
  std::int64_t samples;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t size;
};

constexpr std::array<GridHeads, 18> kCudaHeads = {{
    {512, 4, 12, 12, 64},
    {512, 64, 12, 12, 64},
    {1024, 4, 16, 4, 64},
    {1024, 32, 20, 20, 64},
    {2048, 1, 16, 16, 64},
    {2048, 3, 32, 8, 64},
    {4096, 1, 32, 8, 64},
    {4096, 4, 32, 8, 64},
    {8192, 1, 16, 16, 64},
    {8192, 2, 32, 8, 64},
    {32768, 1, 16, 4, 64},
    {1024, 4, 16, 16, 128},
    {1024, 12, 32, 8, 128},
    {2048, 1, 24, 8, 128},
    {4096, 1, 32, 8, 128},
    {4096, 3, 16, 16, 128},
    {8192, 2, 16, 16, 128},
    {16384, 1, 16, 4, 128},
}};

GridModel model_of(const GridHeads& grid) {
  const std::int64_t width = grid.heads * grid.size;
  return {"llama",      width,         grid.heads, grid.kv_heads, width, 64,
          grid.samples, grid.sequence, 1};
}

Model model_of(const GridModel& grid) {
  ModelConfig config;
  config.family = grid.family;
  config.layers = grid.layers;
  config.width = grid.width;
  config.heads = grid.heads;
  config.kv_heads = grid.kv_heads;
  config.ffn = grid.ffn;
  config.vocab = grid.vocab;
  config.context = grid.sequence;
  config.tied = config.family == "gpt2";
  return Model(built_in_families().make(config));
}

// Under every policy, each as often as under that which calls it most.
Load load_of(const GridModel& grid, Device::Kind device, DType type,
             bool deterministic) {
  const Model model = model_of(grid);
  EngineOptions step;
  step.batch = {grid.samples, grid.sequence};
  step.microbatches = 2;  // sums overwritten, and added to
  step.dtype = type;
  step.deterministic = deterministic;
  PlanRequest request{model, step, 1};
  request.device = device;
  std::vector<SimKernel> kernels;
  for (const std::string& policy : policy_names()) {
    add_most(kernels, step_kernels(request, policy, 0));
  }
  return load_of(kernels);
}

// Each as short as it may be.
Load attention_load(Device::Kind device, bool deterministic) {
  Load load;
  for (const GridHeads& each : kCudaHeads) {
    const GridModel grid = model_of(each);
    for (LoadOp one : load_of(grid, device, DType::kBF16, deterministic)) {
      const OpClass kind = profile_of(one.op).kind;
      if (kind != OpClass::kAttentionForward &&
          kind != OpClass::kAttentionBackward) {
        continue;
      }
      one.times = 0;
      load.push_back(one);
    }
  }
  return load;
}

}  // namespace

void add_most(std::vector<SimKernel>& kernels,
              const std::vector<SimKernel>& more) {
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < kernels.size(); ++i) places[kernels[i].key] = i;
  for (const SimKernel& kernel : more) {
    const auto [place, fresh] = places.emplace(kernel.key, kernels.size());
    if (fresh) {
      kernels.push_back(kernel);
    } else {
      std::int64_t& calls = kernels[place->second].calls;
      calls = std::max(calls, kernel.calls);
    }
  }
}

Load load_of(const std::vector<SimKernel>& kernels) {
  Load load;
  for (const SimKernel& kernel : kernels) {
    load.push_back({kernel.op, static_cast<double>(kernel.calls)});
  }
  return load;
}

std::vector<Load> grid_of(Device::Kind device, bool deterministic) {
  std::vector<Load> loads;
  const auto add = [&](std::span<const GridModel> grid, DType type) {
    for (const GridModel& each : grid) {
      loads.push_back(load_of(each, device, type, deterministic));
    }
  };
  if (device == Device::Kind::kCuda) {
    // In f32 the modes differ little, and trying algorithms takes long.
    if (deterministic) add(kCudaModels, DType::kF32);
    add(kCudaBf16Models, DType::kBF16);
    loads.push_back(attention_load(device, deterministic));
  } else {
    add(kCpuModels, DType::kF32);
  }
  return loads;
}

}  // namespace cairn
