#include "runtime/device_peaks.h"

#include <array>

namespace cairn {
namespace {

struct Peaks {
  const char* name;
  double bf16;
  double f32;
};

// NVIDIA's data sheets: H100 (2023), H200 (2024), GH200 (2024), HGX B200
// (2025, an eighth), A100 (2021), L40S (2023), Ada GPU architecture (2023).
// Where a sheet states the rate with sparsity, half of it.
constexpr std::array<Peaks, 14> kCards = {{
    {"NVIDIA H100 80GB HBM3", 989.4e12, 66.9e12},
    {"NVIDIA H100 PCIe", 756.5e12, 51.2e12},
    {"NVIDIA H100 NVL", 835.5e12, 60.0e12},
    {"NVIDIA H200", 989.4e12, 66.9e12},
    {"NVIDIA H200 NVL", 835.5e12, 60.0e12},
    {"NVIDIA GH200 480GB", 989.4e12, 66.9e12},
    {"NVIDIA B200", 2250e12, 75.0e12},
    {"NVIDIA A100-SXM4-40GB", 312.0e12, 19.5e12},
    {"NVIDIA A100-SXM4-80GB", 312.0e12, 19.5e12},
    {"NVIDIA A100-PCIE-40GB", 312.0e12, 19.5e12},
    {"NVIDIA A100-PCIE-80GB", 312.0e12, 19.5e12},
    {"NVIDIA A100 80GB PCIe", 312.0e12, 19.5e12},
    {"NVIDIA L40S", 362.05e12, 91.6e12},
    {"NVIDIA GeForce RTX 4090", 165.2e12, 82.6e12},
}};

}  // namespace

std::optional<double> peak_flops(const std::string& card, DType dtype) {
  for (const Peaks& known : kCards) {
    if (card != known.name) continue;
    if (dtype == DType::kBF16) return known.bf16;
    if (dtype == DType::kF32) return known.f32;
  }
  return std::nullopt;
}

std::vector<std::string> cards_with_peaks() {
  std::vector<std::string> names;
  names.reserve(kCards.size());
  for (const Peaks& card : kCards) names.emplace_back(card.name);
  return names;
}

}  // namespace cairn
