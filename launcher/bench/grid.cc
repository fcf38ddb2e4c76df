#include "launcher/bench/grid.h"

#include <array>
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
};

constexpr std::array<GridModel, 3> kCpuModels = {{
    {"gpt2", 128, 4, 4, 512, 1024, 4, 64},
    {"gpt2", 256, 4, 4, 1024, 512, 2, 128},
    {"llama", 192, 3, 1, 512, 512, 2, 64},
}};

constexpr std::array<GridModel, 5> kCudaModels = {{
    {"gpt2", 512, 8, 8, 2048, 32768, 8, 512},
    {"gpt2", 1024, 16, 16, 4096, 50304, 2, 1024},
    {"gpt2", 768, 12, 12, 3072, 50304, 8, 1024},
    {"llama", 1024, 16, 4, 4096, 32000, 1, 2048},
    {"llama", 2048, 16, 8, 5504, 32000, 1, 4096},
}};

constexpr std::array<GridModel, 12> kCudaBf16Models = {{
    {"gpt2", 512, 8, 8, 2048, 32768, 8, 512},
    {"gpt2", 768, 12, 12, 3072, 50304, 2, 1024},
    {"gpt2", 1024, 16, 16, 4096, 50304, 8, 1024},
    {"gpt2", 1024, 16, 16, 4096, 50304, 64, 1024},
    {"gpt2", 768, 12, 12, 3072, 50304, 16, 2048},
    {"gpt2", 1536, 24, 24, 6144, 50304, 16, 1024},
    {"gpt2", 2048, 32, 32, 8192, 50304, 8, 1024},
    {"llama", 1024, 16, 4, 4096, 32000, 2, 4096},
    {"llama", 2048, 32, 8, 8192, 128256, 1, 16384},
    {"llama", 2048, 16, 8, 5504, 32000, 8, 2048},
    {"llama", 4096, 32, 8, 14336, 128256, 2, 4096},
    {"llama", 4096, 32, 32, 11008, 32000, 1, 32768},
}};

Model model_of(const GridModel& grid) {
  ModelConfig config;
  config.family = grid.family;
  config.layers = 1;
  config.width = grid.width;
  config.heads = grid.heads;
  config.kv_heads = grid.kv_heads;
  config.ffn = grid.ffn;
  config.vocab = grid.vocab;
  config.context = grid.sequence;
  config.tied = config.family == "gpt2";
  return Model(built_in_families().make(config));
}

void add(std::vector<KernelOp>& ops, std::span<const GridModel> grid,
         Device::Kind device, DType type) {
  for (const GridModel& each : grid) {
    const Model model = model_of(each);
    EngineOptions step;
    step.batch = {each.samples, each.sequence};
    step.microbatches = 2;  // sums overwritten, and added to
    step.dtype = type;
    PlanRequest request{model, step, 1};
    request.device = device;
    for (const std::string& policy : policy_names()) {
      for (const SimKernel& kernel : step_kernels(request, policy, 0)) {
        ops.push_back(kernel.op);
      }
    }
  }
}

}  // namespace

std::vector<KernelOp> grid_of(Device::Kind device) {
  std::vector<KernelOp> ops;
  if (device == Device::Kind::kCuda) {
    add(ops, kCudaModels, device, DType::kF32);
    add(ops, kCudaBf16Models, device, DType::kBF16);
  } else {
    add(ops, kCpuModels, device, DType::kF32);
  }
  return ops;
}

}  // namespace cairn
