#include "cuda_lab.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "tests/support/test_seed.h"

namespace cairn {
namespace {

const std::set<std::string> kAlwaysF32 = {
    "residual_sums", "dx_sums",    "stats", "dweight", "dbias",
    "partials",      "dw",         "lse",   "drows",   "losses",
    "loss",          "dpositions", "norm",  "factor",  "scratch"};
const std::set<std::string> kScratch = {"logits", "scratch"};

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return 0x7FC0;
  return static_cast<std::uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

float from_bf16(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

double value_at(const std::byte* data, DType dtype, std::size_t i) {
  switch (dtype) {
    case DType::kF32:
      return reinterpret_cast<const float*>(data)[i];
    case DType::kF64:
      return reinterpret_cast<const double*>(data)[i];
    case DType::kI32:
      return reinterpret_cast<const std::int32_t*>(data)[i];
    case DType::kBF16:
      return from_bf16(reinterpret_cast<const std::uint16_t*>(data)[i]);
  }
  return 0;
}

std::vector<double> values_of(const std::byte* data, DType dtype,
                              std::int64_t n) {
  std::vector<double> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = value_at(data, dtype, i);
  }
  return values;
}

double relative_error(const std::vector<double>& found,
                      const std::vector<double>& want) {
  double difference = 0.0;
  double norm = 1e-30;
  for (std::size_t i = 0; i < want.size(); ++i) {
    difference += (found[i] - want[i]) * (found[i] - want[i]);
    norm += want[i] * want[i];
  }
  return std::sqrt(difference / norm);
}

std::unique_ptr<Kernels> make_kernels(Backend& backend, Stream& stream,
                                      Tensor& workspace) {
  workspace =
      Tensor(backend.memory(), stream, Owner::kWorkspace, DType::kF32,
             {static_cast<std::int64_t>(backend.workspace_bytes() / 4 + 1)});
  return backend.make_kernels(workspace);
}

bool is_result(const Operand& operand, const KernelOp& op) {
  if (operand.access == Access::kRead) return false;
  // The gradient of an embedding's output may be overwritten, or not.
  if (std::holds_alternative<EmbeddingBackward>(op) &&
      std::string(operand.name) == "dy") {
    return false;
  }
  if (std::holds_alternative<NormBackward>(op) &&
      std::string(operand.name) == "partials") {
    return false;
  }
  return kScratch.count(operand.name) == 0;
}

}  // namespace

CudaLab::CudaLab(bool deterministic)
    : deterministic_(deterministic),
      random_(test_seed()),
      backend_(make_backend("cuda", {.deterministic = deterministic})),
      stream_(backend_->make_stream("lab")),
      kernels_(make_kernels(*backend_, *stream_, workspace_)),
      cpu_(make_backend("cpu", {})),
      cpu_stream_(cpu_->make_stream("cpu")),
      cpu_kernels_(make_kernels(*cpu_, *cpu_stream_, cpu_workspace_)) {}

TensorView CudaLab::poison(const Shape& shape, DType dtype) {
  held_.emplace_back(static_cast<std::size_t>(shape.elements()));
  const TensorView view{reinterpret_cast<std::byte*>(held_.back().data()),
                        dtype, shape};
  if (dtype == DType::kF64) {
    std::fill_n(view.as<double>(), view.elements(),
                std::numeric_limits<double>::quiet_NaN());
  } else {
    std::fill_n(reinterpret_cast<float*>(view.data),
                dtype == DType::kF32 ? view.elements() : 0,
                std::numeric_limits<float>::quiet_NaN());
  }
  return view;
}

TensorView CudaLab::normal(const Shape& shape, float deviation) {
  std::normal_distribution<float> draw(0.0F, deviation);
  const TensorView view = poison(shape);
  std::generate_n(view.as<float>(), view.elements(),
                  [&] { return draw(random_); });
  return view;
}

TensorView CudaLab::indices(std::int64_t n, std::int32_t limit) {
  std::uniform_int_distribution<std::int32_t> draw(0, limit - 1);
  const TensorView view = poison({n}, DType::kI32);
  std::generate_n(view.as<std::int32_t>(), n, [&] { return draw(random_); });
  return view;
}

Dropout CudaLab::some_dropout() {
  return {.probability = 0.3F,
          .seed = random_(),
          .first_sample = (std::uint64_t{3} << 32) + 5,
          .site = 17};
}

DType CudaLab::type_on_device(const Operand& operand) const {
  const DType own = operand.view.dtype;
  const bool stays = own != DType::kF32 || kAlwaysF32.count(operand.name) > 0;
  return stays ? own : GetParam();
}

void CudaLab::round_inputs(KernelOp& op) const {
  visit_operands(op, [&](const Operand& operand) {
    if (type_on_device(operand) == operand.view.dtype) return;
    float* x = operand.view.as<float>();
    for (std::int64_t i = 0; i < operand.view.elements(); ++i) {
      x[i] = from_bf16(to_bf16(x[i]));
    }
  });
}

Tensor CudaLab::to_device(const TensorView& host, DType dtype) {
  Tensor device(backend_->memory(), *stream_, Owner::kData, dtype, host.shape);
  std::vector<std::uint16_t> halves;
  const void* from = host.data;
  if (dtype != host.dtype) {
    for (std::int64_t i = 0; i < host.elements(); ++i) {
      halves.push_back(to_bf16(host.as<float>()[i]));
    }
    from = halves.data();
  }
  backend_->upload(*stream_, device, from);
  stream_->synchronize();
  return device;
}

CudaLab::Result CudaLab::from_device(const char* name, const TensorView& view) {
  Result result{name, std::vector<std::byte>(view.bytes()), {}};
  backend_->download(*stream_, result.bytes.data(), view);
  stream_->synchronize();
  result.values = values_of(result.bytes.data(), view.dtype, view.elements());
  return result;
}

std::vector<CudaLab::Result> CudaLab::run_on_device(const KernelOp& op) {
  std::map<const std::byte*, Tensor> tensors;
  KernelOp moved = op;
  visit_operands(moved, [&](const Operand& operand) {
    const DType dtype = type_on_device(operand);
    auto found = tensors.find(operand.view.data);
    if (found == tensors.end()) {
      found = tensors.emplace(operand.view.data, to_device(operand.view, dtype))
                  .first;
    }
    operand.view = found->second.view();
  });
  compute(moved);
  std::vector<Result> results;
  visit_operands(moved, [&](const Operand& operand) {
    if (!is_result(operand, moved)) return;
    results.push_back(from_device(operand.name, operand.view));
  });
  return results;
}

void CudaLab::expect_agreement(const KernelOp& op) {
  SCOPED_TRACE(key_of(op) + ", CAIRN_TEST_SEED=" + std::to_string(test_seed()));
  const double tolerance = GetParam() == DType::kBF16 ? 1e-2 : 1e-5;
  KernelOp own = op;
  round_inputs(own);
  const std::vector<Result> once = run_on_device(own);
  const std::vector<Result> twice = run_on_device(own);
  enqueue(*cpu_kernels_, *cpu_stream_, own);
  cpu_stream_->synchronize();

  std::size_t k = 0;
  visit_operands(own, [&](const Operand& operand) {
    if (!is_result(operand, own)) return;
    const std::vector<double> want = values_of(
        operand.view.data, operand.view.dtype, operand.view.elements());
    EXPECT_LT(relative_error(once[k].values, want), tolerance) << operand.name;
    if (deterministic_) {
      EXPECT_EQ(once[k].bytes, twice[k].bytes) << operand.name << " twice";
    }
    ++k;
  });
}

}  // namespace cairn
