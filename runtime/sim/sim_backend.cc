#include "runtime/sim/sim_backend.h"

namespace cairn {
namespace {

class SimEvent final : public Event {
 public:
  bool reached() const override { return true; }
  void synchronize() override {}
  double seconds_since(const Event& /*earlier*/) const override { return 0; }
};

class SimStream final : public Stream {
 public:
  Device device() const override { return {Device::Kind::kSim, 0}; }
  std::shared_ptr<Event> record() override {
    return std::make_shared<SimEvent>();
  }
  void wait(std::shared_ptr<Event> /*event*/) override {}
  void synchronize() override {}
};

class SimKernels final : public Kernels {
 public:
  void linear_forward(Stream&, const LinearForward&) override {}
  void linear_backward_input(Stream&, const LinearBackwardInput&) override {}
  void linear_backward_weight(Stream&, const LinearBackwardWeight&) override {}
  void norm_forward(Stream&, const NormForward&) override {}
  void norm_backward(Stream&, const NormBackward&) override {}
  void attention_forward(Stream&, const AttentionForward&) override {}
  void attention_backward(Stream&, const AttentionBackward&) override {}
  void rotary(Stream&, const Rotary&) override {}
  void swiglu_forward(Stream&, const SwigluForward&) override {}
  void swiglu_backward(Stream&, const SwigluBackward&) override {}
  void gelu(Stream&, const Gelu&) override {}
  void embedding_forward(Stream&, const EmbeddingForward&) override {}
  void embedding_backward(Stream&, const EmbeddingBackward&) override {}
  void scatter_rows(Stream&, const ScatterRows&) override {}
  void head_loss(Stream&, const HeadLoss&) override {}
  void squared_norm(Stream&, const SquaredNorm&) override {}
  void clip_factor(Stream&, const ClipFactor&) override {}
  void adamw(Stream&, const AdamW&) override {}
  void fill_normal(Stream&, const FillNormal&) override {}
  void fill(Stream&, const TensorView&, float) override {}
  void cast(Stream&, const TensorView&, const TensorView&) override {}
  void add(Stream&, const TensorView&, const TensorView&) override {}
  void dropout(Stream&, const TensorView&, const TensorView&, const Dropout&, std::int64_t) override {}
  void all_finite(Stream&, const TensorView&, const TensorView&) override {}
};

}  // namespace

void* SimMemory::allocate(std::size_t bytes, Owner /*owner*/,
                          Stream& /*stream*/) {
  const std::uintptr_t address = next_;
  next_ += padded(bytes) + kMemoryAlignment;
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

std::unique_ptr<Stream> SimBackend::make_stream(const std::string& /*name*/) {
  return std::make_unique<SimStream>();
}

std::unique_ptr<Kernels> SimBackend::make_kernels(
    const TensorView& /*workspace*/) {
  return std::make_unique<SimKernels>();
}

}  // namespace cairn
