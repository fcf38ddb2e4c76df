// Attention of the CUDA body against the CPU body: by cuDNN in bf16 where it
// was built in and serves the head size, by our own tiles everywhere else.

#include "cuda_lab.h"
#include "runtime/attention_scratch.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

class CudaAttention : public CudaLab {
 protected:
  explicit CudaAttention(bool deterministic = true) : CudaLab(deterministic) {}

  void compare(const AttentionShape& shape) {
    const std::int64_t tokens = shape.samples * shape.sequence;
    const Shape out{tokens, shape.heads * shape.head_size};
    AttentionForward forward{
        shape, normal({tokens, shape.qkv_width()}), poison(out),
        poison({shape.samples, shape.heads, shape.sequence})};
    expect_agreement(forward);  // leaves the CPU's results on the host
    AttentionBackward backward;
    backward.shape = shape;
    backward.dout = normal(out);
    backward.qkv = forward.qkv;
    backward.out = forward.out;
    backward.lse = forward.lse;
    backward.dqkv = poison(forward.qkv.shape);
    const std::int64_t scratch =
        attention_scratch(shape, GetParam(), is_deterministic());
    if (scratch > 0) backward.scratch = poison({scratch});
    expect_agreement(backward);
  }
};

TEST_P(CudaAttention, AgreesAtSmallSizes) {
  for (const std::int64_t size : {20, 64, 80, 128, 256}) {
    compare({1, 77, 2, 1, size});
  }
}

TEST_P(CudaAttention, AgreesAtHeadSizesAndSequencesOfAllKinds) {
  for (const std::int64_t size : {64, 80, 96, 128, 256, 20}) {
    for (const std::int64_t sequence : {1, 77, 300}) {
      compare({2, sequence, 4, 2, size});
    }
  }
}

TEST_P(CudaAttention, AgreesAtLongSequencesAndManyHeads) {
  compare({1, 1023, 4, 4, 64});
  compare({1, 1024, 8, 1, 128});
  compare({3, 200, 6, 1, 48});
  compare({2, 77, 25, 25, 64});
}

// There is room for some samples, for some key heads, for none.
TEST_P(CudaAttention, AgreesWhenItIsDoneInParts) {
  compare({7, 1024, 2, 2, 64});
  compare({1, 1280, 6, 6, 64});
  compare({1, 700, 4, 1, 64});
}

class CudaFastAttention : public CudaAttention {
 protected:
  CudaFastAttention() : CudaAttention(/*deterministic=*/false) {}
};

TEST_P(CudaFastAttention, Agrees) {
  for (const std::int64_t size : {64, 80, 128}) {
    compare({2, 77, 4, 2, size});
    compare({1, 1023, 5, 5, size});
    compare({1, 512, 8, 1, size});
  }
}

// Our own kernels, where cuDNN would be asked first.
class CudaOwnAttention : public CudaAttention {
 protected:
  void compute(const KernelOp& op) override {
    const Lane lane{cuda_native(stream()), matmul_, cudnn_, nullptr, true};
    if (const auto* forward = std::get_if<AttentionForward>(&op)) {
      run_cores(lane, *forward);
    } else {
      run_cores(lane, std::get<AttentionBackward>(op));
    }
  }

 private:
  Matmul matmul_{nullptr, 0, true};
  CudnnAttention cudnn_{/*deterministic=*/true};
};

TEST_P(CudaOwnAttention, AgreesAtSmallSizes) {
  for (const std::int64_t size : {7, 32, 64, 80, 96, 128, 256}) {
    compare({1, 129, 2, 1, size});
  }
}

TEST_P(CudaOwnAttention, AgreesAtHeadSizesAndSequencesOfAllKinds) {
  for (const std::int64_t size : {64, 80, 96, 128, 256, 20, 8, 7}) {
    for (const std::int64_t sequence : {1, 63, 77, 129, 300}) {
      compare({2, sequence, 4, 2, size});
    }
  }
}

TEST_P(CudaOwnAttention, AgreesAtLongSequencesAndManyHeads) {
  compare({1, 1023, 4, 4, 64});
  compare({1, 1024, 8, 1, 128});
  compare({2, 77, 25, 25, 64});
}

constexpr auto kName = [](const auto& test) { return name_of(test.param); };
INSTANTIATE_TEST_SUITE_P(Types, CudaAttention,
                         testing::Values(DType::kF32, DType::kBF16), kName);
INSTANTIATE_TEST_SUITE_P(Types, CudaFastAttention,
                         testing::Values(DType::kBF16), kName);
INSTANTIATE_TEST_SUITE_P(Types, CudaOwnAttention, testing::Values(DType::kBF16),
                         kName);

}  // namespace
}  // namespace cairn
