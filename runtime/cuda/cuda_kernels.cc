#include "runtime/cuda/cuda_kernels.h"

#include <string>

#include "runtime/checks/op_checks.h"
#include "runtime/cuda/cuda_backend.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/cuda/ops.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr Body kBody{"CUDA", /*bf16=*/true};
constexpr std::int64_t kMostHeadSize = 256;

void check_head(const AttentionShape& shape) {
  if (shape.head_size <= kMostHeadSize) return;
  throw Error(Code::kBadArgument,
              "attention: a head size of " + std::to_string(shape.head_size) +
                  " is above " + std::to_string(kMostHeadSize) +
                  ", the largest on CUDA");
}

class CudaKernels final : public Kernels {
 public:
  CudaKernels(const TensorView& workspace, bool deterministic)
      : matmul_(workspace.data, kMatmulBytes, deterministic),
        cudnn_(deterministic),
        scratch_(workspace.data + kMatmulBytes),
        deterministic_(deterministic) {}

  void linear_forward(Stream& stream, const LinearForward& op) override {
    enqueue(stream, op);
  }
  void linear_backward_input(Stream& stream,
                             const LinearBackwardInput& op) override {
    enqueue(stream, op);
  }
  void linear_backward_weight(Stream& stream,
                              const LinearBackwardWeight& op) override {
    enqueue(stream, op);
  }
  void norm_forward(Stream& stream, const NormForward& op) override {
    enqueue(stream, op);
  }
  void norm_backward(Stream& stream, const NormBackward& op) override {
    enqueue(stream, op);
  }
  void attention_forward(Stream& stream, const AttentionForward& op) override {
    check_head(op.shape);
    enqueue(stream, op);
  }
  void attention_backward(Stream& stream,
                          const AttentionBackward& op) override {
    check_head(op.shape);
    enqueue(stream, op);
  }
  void rotary(Stream& stream, const Rotary& op) override {
    enqueue(stream, op);
  }
  void swiglu_forward(Stream& stream, const SwigluForward& op) override {
    enqueue(stream, op);
  }
  void swiglu_backward(Stream& stream, const SwigluBackward& op) override {
    enqueue(stream, op);
  }
  void gelu(Stream& stream, const Gelu& op) override { enqueue(stream, op); }
  void embedding_forward(Stream& stream, const EmbeddingForward& op) override {
    enqueue(stream, op);
  }
  void embedding_backward(Stream& stream,
                          const EmbeddingBackward& op) override {
    enqueue(stream, op);
  }
  void scatter_rows(Stream& stream, const ScatterRows& op) override {
    enqueue(stream, op);
  }
  void head_loss(Stream& stream, const HeadLoss& op) override {
    enqueue(stream, op);
  }
  void squared_norm(Stream& stream, const SquaredNorm& op) override {
    enqueue(stream, op);
  }
  void clip_factor(Stream& stream, const ClipFactor& op) override {
    enqueue(stream, op);
  }
  void adamw(Stream& stream, const AdamW& op) override { enqueue(stream, op); }
  void fill_normal(Stream& stream, const FillNormal& op) override {
    enqueue(stream, op);
  }

  void fill(Stream& stream, const TensorView& x, float value) override {
    run_fill(lane(stream), x, value);
  }
  void cast(Stream& stream, const TensorView& x, const TensorView& y) override {
    check_cast(x, y, kBody);
    run_cast(lane(stream), x, y);
  }
  void add(Stream& stream, const TensorView& x, const TensorView& y) override {
    check_add(x, y, kBody);
    run_add(lane(stream), x, y);
  }
  void dropout(Stream& stream, const TensorView& x, const TensorView& y,
               const Dropout& dropout, std::int64_t sequence) override {
    check_dropout(x, y, dropout, sequence, kBody);
    run_dropout(lane(stream), x, y, dropout, sequence);
  }
  void all_finite(Stream& stream, const TensorView& x,
                  const TensorView& finite) override {
    require((x.dtype == DType::kF32 || x.dtype == DType::kBF16) &&
                finite.dtype == DType::kF32 && finite.elements() == 1,
            "all_finite takes f32 or bf16 and sets one f32 on CUDA");
    run_all_finite(lane(stream), x, finite);
  }

 private:
  Lane lane(Stream& stream) {
    return {cuda_native(stream), matmul_, cudnn_, scratch_, deterministic_};
  }

  template <typename Op>
  void enqueue(Stream& stream, const Op& op) {
    check(op, kBody);
    run(lane(stream), op);
  }

  Matmul matmul_;
  CudnnAttention cudnn_;
  std::byte* scratch_;
  bool deterministic_;
};

}  // namespace

std::size_t cuda_workspace_bytes() { return kMatmulBytes + kScratchBytes; }

std::unique_ptr<Kernels> make_cuda_kernels(const TensorView& workspace,
                                           bool deterministic) {
  if (workspace.bytes() < cuda_workspace_bytes()) {
    throw Error(Code::kBadArgument, "the CUDA kernels take a workspace of " +
                                        std::to_string(cuda_workspace_bytes()) +
                                        " bytes, not " +
                                        std::to_string(workspace.bytes()));
  }
  return std::make_unique<CudaKernels>(workspace, deterministic);
}

}  // namespace cairn
