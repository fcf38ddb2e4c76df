#include "runtime/cpu/cpu_kernels.h"

#include <string>

#include "runtime/checks/op_checks.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/cpu/ops.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr Body kBody{"the CPU", /*bf16=*/false};

class CpuKernels final : public Kernels {
 public:
  explicit CpuKernels(Crew crew) : crew_(crew) {}

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
    enqueue(stream, op);
  }
  void attention_backward(Stream& stream,
                          const AttentionBackward& op) override {
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
    cpu_native(stream).enqueue(
        [crew = crew_, x, value] { run_fill(crew, x, value); });
  }
  void cast(Stream& stream, const TensorView& x, const TensorView& y) override {
    check_cast(x, y, kBody);
    cpu_native(stream).enqueue([crew = crew_, x, y] { run_cast(crew, x, y); });
  }
  void add(Stream& stream, const TensorView& x, const TensorView& y) override {
    check_add(x, y, kBody);
    cpu_native(stream).enqueue([crew = crew_, x, y] { run_add(crew, x, y); });
  }
  void dropout(Stream& stream, const TensorView& x, const TensorView& y,
               const Dropout& dropout, std::int64_t sequence) override {
    check_dropout(x, y, dropout, sequence, kBody);
    cpu_native(stream).enqueue([crew = crew_, x, y, dropout, sequence] {
      run_dropout(crew, x, y, dropout, sequence);
    });
  }
  void all_finite(Stream& stream, const TensorView& x,
                  const TensorView& finite) override {
    require(x.dtype == DType::kF32 && finite.elements() == 1,
            "all_finite takes f32 and sets one element on the CPU");
    cpu_native(stream).enqueue(
        [crew = crew_, x, finite] { run_all_finite(crew, x, finite); });
  }

 private:
  template <typename Op>
  void enqueue(Stream& stream, const Op& op) {
    check(op, kBody);
    cpu_native(stream).enqueue([crew = crew_, op] { run(crew, op); });
  }

  Crew crew_;
};

}  // namespace

std::size_t cpu_workspace_bytes(int threads) {
  return static_cast<std::size_t>(threads) *
         static_cast<std::size_t>(kMemberScratch) * sizeof(float);
}

std::unique_ptr<Kernels> make_cpu_kernels(Team& team,
                                          const TensorView& workspace) {
  const std::size_t wanted = cpu_workspace_bytes(team.threads());
  if (workspace.bytes() < wanted) {
    throw Error(Code::kBadArgument, "the CPU kernels take a workspace of " +
                                        std::to_string(wanted) + " bytes for " +
                                        std::to_string(team.threads()) +
                                        " threads, not " +
                                        std::to_string(workspace.bytes()));
  }
  return std::make_unique<CpuKernels>(
      Crew{team, reinterpret_cast<float*>(workspace.data)});
}

}  // namespace cairn
