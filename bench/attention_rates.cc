// How fast attention is on CUDA in bf16, in TFLOP/s (causal: at half the
// square; backward at 2.5 times forward), with equal bits and without, and what
// room its backward is given. Takes no arguments:
//
//   cmake --build build --target attention_rates && build/attention_rates

#include <cstdio>
#include <string>

#include "runtime/attention_scratch.h"
#include "runtime/backend.h"
#include "runtime/operands.h"

namespace cairn {
namespace {

constexpr int kCalls = 20;

class Rates {
 public:
  explicit Rates(bool deterministic)
      : deterministic_(deterministic),
        backend_(make_backend("cuda", {.deterministic = deterministic})),
        stream_(backend_->make_stream("rates")) {
    workspace_ =
        make(DType::kF32,
             {static_cast<std::int64_t>(backend_->workspace_bytes() / 4)});
    kernels_ = backend_->make_kernels(workspace_);
  }

  void print(const AttentionShape& s) {
    const std::int64_t tokens = s.samples * s.sequence;
    const Shape out{tokens, s.heads * s.head_size};
    const Tensor qkv = filled({tokens, s.qkv_width()});
    const Tensor dout = filled(out);
    const Tensor outs = make(DType::kBF16, out);
    const Tensor dqkv = make(DType::kBF16, qkv.shape());
    const Tensor lse = make(DType::kF32, {s.samples, s.heads, s.sequence});
    const std::int64_t room =
        attention_scratch(s, DType::kBF16, deterministic_);
    const Tensor scratch = make(DType::kF32, {room});
    const AttentionForward forward{s, qkv, outs, lse};
    const AttentionBackward backward{s, dout, qkv, outs, lse, dqkv, scratch};
    const double there = rate(forward);
    const double back = rate(backward);
    std::printf(
        "%4lld x %-6lld %2lld/%-2lld of %-4lld %-6s %6.0f %6.0f %8.1f MiB\n",
        static_cast<long long>(s.samples), static_cast<long long>(s.sequence),
        static_cast<long long>(s.heads), static_cast<long long>(s.kv_heads),
        static_cast<long long>(s.head_size), deterministic_ ? "equal" : "fast",
        there, back, static_cast<double>(scratch.bytes()) / (1 << 20));
    std::fflush(stdout);
  }

 private:
  Tensor make(DType dtype, const Shape& shape) {
    return {backend_->memory(), *stream_, Owner::kData, dtype, shape};
  }

  Tensor filled(const Shape& shape) {
    Tensor tensor = make(DType::kBF16, shape);
    const Tensor draw = make(DType::kF32, shape);
    kernels_->fill_normal(*stream_, {draw, 1.0F, 7, ++drawn_});
    kernels_->cast(*stream_, draw, tensor);
    stream_->synchronize();
    return tensor;
  }

  double rate(const KernelOp& op) {
    for (int i = 0; i < 3; ++i) enqueue(*kernels_, *stream_, op);
    const auto begin = stream_->record();
    for (int i = 0; i < kCalls; ++i) enqueue(*kernels_, *stream_, op);
    const auto end = stream_->record();
    end->synchronize();
    return 1e-12 * flops(op) * kCalls / end->seconds_since(*begin);
  }

  bool deterministic_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  Tensor workspace_;
  std::unique_ptr<Kernels> kernels_;
  std::uint32_t drawn_ = 0;
};

void print_all() {
  std::printf(
      "samples x tokens, heads, size, bits, forward, backward TFLOP/s, "
      "room\n");
  for (const bool deterministic : {true, false}) {
    Rates rates(deterministic);
    for (const AttentionShape& shape : {AttentionShape{64, 1024, 12, 12, 64},
                                        {16, 1024, 25, 25, 64},
                                        {4, 1024, 12, 12, 64},
                                        {4, 8192, 32, 8, 64},
                                        {1, 8192, 32, 8, 64},
                                        {4, 4096, 24, 8, 128},
                                        {2, 8192, 32, 8, 128},
                                        {1, 32768, 32, 8, 64},
                                        {8, 1024, 16, 16, 80},
                                        {8, 1024, 16, 16, 36}}) {
      rates.print(shape);
    }
  }
}

}  // namespace
}  // namespace cairn

int main() { cairn::print_all(); }
