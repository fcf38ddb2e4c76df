// Every block's gradients against central differences of its own forward, run
// in float64 on the reference kernels, with dropout on and fresh inputs.

#include "runtime/blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>

#include "runtime/backend.h"
#include "tests/runtime/reference_kernels.h"
#include "tests/support/test_seed.h"

namespace cairn {
namespace {

constexpr std::int64_t kVocab = 23;
constexpr std::int64_t kWidth = 24;
const BatchShape kBatch{2, 7};

// The heap, freed at once: for kernels that run at once.
class HeapMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner, Stream&) override {
    return std::aligned_alloc(kMemoryAlignment,
                              padded(std::max<std::size_t>(bytes, 1)));
  }
  void deallocate(void* address, std::size_t, Owner,
                  Stream&) noexcept override {
    std::free(address);
  }
};

struct BlockCase {
  std::string name;
  std::function<std::unique_ptr<Block>()> make;
  bool takes_tokens = false;
  bool gives_loss = false;
};

BlockShape transformer_shape() {
  BlockShape shape;
  shape.width = kWidth;
  shape.heads = 4;
  shape.kv_heads = 4;
  shape.ffn = 40;
  shape.dropout = 0.2F;
  return shape;
}

std::vector<BlockCase> cases() {
  BlockShape grouped = transformer_shape();
  grouped.kv_heads = 2;
  HeadShape head{kVocab, kWidth};
  HeadShape rms = head;
  rms.norm = NormKind::kRms;
  return {{"gpt2", [] { return make_gpt2_block("b", transformer_shape()); }},
          {"llama", [=] { return make_llama_block("b", grouped); }},
          {"embedding",
           [] {
             return make_embedding({kVocab, kWidth, 9, 0.2F, 1.0F});
           },
           true},
          {"head", [=] { return make_head(head); }, false, true},
          {"head_rms", [=] { return make_head(rms); }, false, true}};
}

// The values a block is run on, in double; each run converts them.
struct Values {
  std::vector<std::vector<double>> parameters;
  std::vector<double> input;
  std::vector<double> cotangent;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;
};

template <typename T>
Tensor tensor_of(MemoryResource& memory, Stream& stream,
                 const std::vector<double>& values, const Shape& shape) {
  Tensor tensor(memory, stream, Owner::kData, dtype_of<T>(), shape);
  T* data = tensor.view().template as<T>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    data[i] = static_cast<T>(values[i]);
  }
  return tensor;
}

class BlockGradients : public testing::TestWithParam<int> {
 protected:
  BlockGradients()
      : case_(cases()[static_cast<std::size_t>(GetParam())]),
        block_(case_.make()),
        specs_(block_->parameters()),
        random_(test_seed()) {
    draw();
  }

  void draw() {
    std::normal_distribution<double> normal(0, 1);
    const auto fill = [&](std::vector<double>& values, std::int64_t count,
                          double scale) {
      for (std::int64_t i = 0; i < count; ++i) {
        // Rounded to f32, so that both bodies see the same number.
        values.push_back(static_cast<float>(scale * normal(random_)));
      }
    };
    for (const ParameterSpec& spec : specs_) {
      values_.parameters.emplace_back();
      fill(values_.parameters.back(), spec.shape.elements(), 0.3);
    }
    fill(values_.input, kBatch.tokens() * kWidth, 1);
    fill(values_.cotangent, kBatch.tokens() * kWidth, 1);
    for (std::int64_t i = 0; i < kBatch.tokens(); ++i) {
      values_.tokens.push_back(static_cast<std::int32_t>(random_() % kVocab));
      values_.targets.push_back(static_cast<std::int32_t>(random_() % kVocab));
    }
  }

  Tensor ids(MemoryResource& memory, Stream& stream,
             const std::vector<std::int32_t>& values) const {
    Tensor tensor(memory, stream, Owner::kData, DType::kI32, {kBatch.tokens()});
    std::copy(values.begin(), values.end(), tensor.view().as<std::int32_t>());
    return tensor;
  }

  static void set_up(Call& call) {
    call.batch = kBatch;
    call.training = true;
    call.seed = 99;
    call.first_sample = 5;
    call.block = 3;
    call.loss_scale = 1.0F / static_cast<float>(kBatch.tokens());
  }

  // sum(output * cotangent), or the loss, in float64.
  double objective() {
    const auto backend = make_backend("sim", {});
    const auto stream = backend->make_stream("reference");
    HeapMemory memory;
    ReferenceKernels kernels;
    std::vector<Tensor> held;
    std::vector<TensorView> parameters;
    for (std::size_t p = 0; p < specs_.size(); ++p) {
      held.push_back(tensor_of<double>(memory, *stream, values_.parameters[p],
                                       specs_[p].shape));
      parameters.push_back(held.back());
    }
    Call call{kernels, *stream, memory};
    set_up(call);
    call.dtype = DType::kF64;
    call.parameters = parameters;
    const Tensor targets = ids(memory, *stream, values_.targets);
    const Tensor loss(memory, *stream, Owner::kData, DType::kF64, {1});
    call.targets = targets;
    call.loss = loss;
    const Tensor input = case_.takes_tokens
                             ? ids(memory, *stream, values_.tokens)
                             : tensor_of<double>(memory, *stream, values_.input,
                                                 {kBatch.tokens(), kWidth});
    const Tensor out = block_->forward(call, input, nullptr);
    if (case_.gives_loss) return *loss.view().as<double>();
    double sum = 0;
    const double* y = out.view().as<double>();
    for (std::size_t i = 0; i < values_.cotangent.size(); ++i) {
      sum += y[i] * values_.cotangent[i];
    }
    return sum;
  }

  // The derivative of objective() by `value`, one of values_.
  double slope(double& value) {
    const double at = value;
    const double h = 1e-5;
    value = at + h;
    const double above = objective();
    value = at - h;
    const double below = objective();
    value = at;
    return (above - below) / (2 * h);
  }

  // Compares `got` with slopes at a draw of elements, by relative norm.
  void expect_slopes(std::vector<double>& values, const float* got,
                     const std::string& name) {
    double difference = 0;
    double size = 0;
    for (int k = 0; k < 12; ++k) {
      const std::size_t i = random_() % values.size();
      const double want = slope(values[i]);
      difference += (got[i] - want) * (got[i] - want);
      size += want * want;
    }
    EXPECT_LT(std::sqrt(difference), 1e-4 * std::sqrt(size) + 1e-7)
        << name << ", seed " << test_seed();
  }

  BlockCase case_;
  std::unique_ptr<Block> block_;
  std::vector<ParameterSpec> specs_;
  std::mt19937_64 random_;
  Values values_;
};

TEST_P(BlockGradients, AgreeWithCentralDifferencesInFloat64) {
  const auto backend = make_backend("cpu", {2});
  const auto stream = backend->make_stream("compute");
  MemoryResource& memory = backend->memory();
  const Tensor workspace(
      memory, *stream, Owner::kWorkspace, DType::kF32,
      {static_cast<std::int64_t>(backend->workspace_bytes() / 4 + 1)});
  const auto kernels = backend->make_kernels(workspace);
  std::vector<Tensor> held;
  std::vector<TensorView> parameters;
  std::vector<TensorView> gradients;
  for (std::size_t p = 0; p < specs_.size(); ++p) {
    held.push_back(tensor_of<float>(memory, *stream, values_.parameters[p],
                                    specs_[p].shape));
    parameters.push_back(held.back());
    held.emplace_back(memory, *stream, Owner::kGradients, DType::kF32,
                      specs_[p].shape);
    gradients.push_back(held.back());
    kernels->fill(*stream, gradients.back(), specs_[p].by_rows ? 0.0F : NAN);
  }
  Call call{*kernels, *stream, memory};
  set_up(call);
  call.parameters = parameters;
  call.gradients = gradients;
  const Tensor tokens = ids(memory, *stream, values_.tokens);
  const Tensor targets = ids(memory, *stream, values_.targets);
  const Tensor loss(memory, *stream, Owner::kData, DType::kF32, {1});
  call.token_rows = tokens;  // the whole table as rows
  call.targets = targets;
  call.loss = loss;
  const Shape rows{kBatch.tokens(), kWidth};
  const Tensor input =
      case_.takes_tokens
          ? tokens
          : tensor_of<float>(memory, *stream, values_.input, rows);
  Tensor dy;
  if (!case_.gives_loss) {
    dy = tensor_of<float>(memory, *stream, values_.cotangent, rows);
  }

  Saved saved;
  Tensor out = block_->forward(call, input, &saved);
  out = {};
  const Tensor dx = block_->backward(call, std::move(dy), std::move(saved));
  stream->synchronize();

  for (std::size_t p = 0; p < specs_.size(); ++p) {
    expect_slopes(values_.parameters[p], gradients[p].as<float>(),
                  specs_[p].name);
  }
  if (!case_.takes_tokens) {
    expect_slopes(values_.input, dx.view().as<float>(), "input");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Blocks, BlockGradients, testing::Range(0, 5), [](const auto& test) {
      return cases()[static_cast<std::size_t>(test.param)].name;
    });

}  // namespace
}  // namespace cairn
