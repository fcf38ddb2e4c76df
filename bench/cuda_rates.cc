// How fast the CUDA body computes: products of a GPT-2 of 124 million weights
// in TFLOP/s, everything else in GB/s of operands, each counted once. Operands
// are random and stay where they are from call to call, so small ones may be
// served by the cache. Takes no arguments:
//
//   cmake --build build --target cuda_rates && build/cuda_rates

#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/attention_scratch.h"
#include "runtime/backend.h"
#include "runtime/operands.h"

namespace cairn {
namespace {

constexpr std::int64_t kSamples = 16;
constexpr std::int64_t kSequence = 1024;
constexpr std::int64_t kTokens = kSamples * kSequence;
constexpr std::int64_t kWidth = 768;
constexpr std::int64_t kVocab = 50304;
constexpr int kCalls = 20;

TensorView view(DType dtype, const Shape& shape) {
  static std::uintptr_t next = 0;  // only a name; memory comes later
  next += 256;
  return {reinterpret_cast<std::byte*>(next), dtype, shape};
}

class Rates {
 public:
  Rates()
      : backend_(make_backend("cuda", {})),
        stream_(backend_->make_stream("rates")) {
    workspace_ =
        make(DType::kF32,
             {static_cast<std::int64_t>(backend_->workspace_bytes() / 4)});
    kernels_ = backend_->make_kernels(workspace_);
  }

  void print(const char* name, KernelOp op) {
    std::map<const std::byte*, Tensor> tensors;
    visit_operands(op, [&](const Operand& operand) {
      Tensor& tensor = tensors[operand.view.data];
      if (!tensor) tensor = filled(operand.view.dtype, operand.view.shape);
      operand.view = tensor.view();
    });
    for (int i = 0; i < 3; ++i) enqueue(*kernels_, *stream_, op);
    const auto begin = stream_->record();
    for (int i = 0; i < kCalls; ++i) enqueue(*kernels_, *stream_, op);
    const auto end = stream_->record();
    end->synchronize();
    const double seconds = end->seconds_since(*begin) / kCalls;
    const double work = flops(op);
    std::printf("%-34s %9.1f us", name, 1e6 * seconds);
    if (work > 0) std::printf(" %8.1f TFLOP/s", 1e-12 * work / seconds);
    if (work == 0) {
      std::printf(" %8.0f GB/s", 1e-9 * bytes_moved(op) / seconds);
    }
    std::printf("\n");
  }

 private:
  Tensor make(DType dtype, const Shape& shape) {
    return {backend_->memory(), *stream_, Owner::kData, dtype, shape};
  }

  Tensor filled(DType dtype, const Shape& shape) {
    Tensor tensor = make(dtype, shape);
    if (dtype == DType::kF32 || dtype == DType::kBF16) {
      const Tensor draw = make(DType::kF32, shape);
      kernels_->fill_normal(*stream_, {draw, 0.5F, 7, ++drawn_});
      kernels_->cast(*stream_, draw, tensor);
    } else if (dtype == DType::kI32) {
      std::vector<std::int32_t> numbers(
          static_cast<std::size_t>(shape.elements()));
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] = static_cast<std::int32_t>(i * 7919 % 4096);
      }
      backend_->upload(*stream_, tensor, numbers.data());
      stream_->synchronize();
    }
    stream_->synchronize();
    return tensor;
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  Tensor workspace_;
  std::unique_ptr<Kernels> kernels_;
  std::uint32_t drawn_ = 0;
};

void print_linear(Rates& rates, DType t, std::int64_t in, std::int64_t out) {
  const std::string shape =
      std::to_string(in) + " to " + std::to_string(out) + " " + name_of(t);
  const Shape x{kTokens, in};
  const Shape y{kTokens, out};
  LinearForward forward;
  forward.x = view(t, x);
  forward.w = view(t, {out, in});
  forward.bias = view(t, {out});
  forward.y = view(t, y);
  rates.print(("forward " + shape).c_str(), forward);
  rates.print(("dx " + shape).c_str(),
              LinearBackwardInput{view(t, y), view(t, {out, in}), view(t, x)});
  rates.print(("dw " + shape).c_str(),
              LinearBackwardWeight{view(t, y), view(t, x),
                                   view(DType::kF32, {out, in})});
}

void print_head(Rates& rates, DType t) {
  HeadLoss head;
  head.x = view(t, {kTokens, kWidth});
  head.w = view(t, {kVocab, kWidth});
  head.targets = view(DType::kI32, {kTokens});
  head.logits = view(t, head_logits(kTokens, kVocab, t));
  head.losses = view(DType::kF32, {kTokens});
  head.loss = view(DType::kF32, {1});
  head.dx = view(t, {kTokens, kWidth});
  head.dw = view(DType::kF32, {kVocab, kWidth});
  rates.print((std::string("head and loss ") + name_of(t)).c_str(), head);
}

void print_attention(Rates& rates, DType t) {
  const AttentionShape shape{kSamples, kSequence, 12, 12, 64};
  const Shape qkv{kTokens, shape.qkv_width()};
  const Shape out{kTokens, kWidth};
  const Shape lse{kSamples, 12, kSequence};
  const std::string name = std::string(" ") + name_of(t);
  rates.print(("attention forward" + name).c_str(),
              AttentionForward{shape, view(t, qkv), view(t, out),
                               view(DType::kF32, lse)});
  AttentionBackward backward{
      shape,        view(t, out),           view(t, qkv),
      view(t, out), view(DType::kF32, lse), view(t, qkv)};
  const std::int64_t scratch = attention_scratch(shape, t, true);
  if (scratch > 0) backward.scratch = view(DType::kF32, {scratch});
  rates.print(("attention backward" + name).c_str(), backward);
}

void print_norm(Rates& rates, DType t, const std::string& name) {
  const Shape rows{kTokens, kWidth};
  NormForward norm;
  norm.x = view(t, rows);
  norm.branch = view(t, rows);
  norm.sum = view(t, rows);
  norm.weight = view(t, {kWidth});
  norm.bias = view(t, {kWidth});
  norm.y = view(t, rows);
  norm.stats = view(DType::kF32, {2, kTokens});
  rates.print(("residual and norm forward" + name).c_str(), norm);
  norm.dropout = {.probability = 0.1F, .seed = 3};
  norm.sequence = kSequence;
  rates.print(("  with dropout" + name).c_str(), norm);
  NormBackward back;
  back.dy = view(t, rows);
  back.x = view(t, rows);
  back.stats = view(DType::kF32, {2, kTokens});
  back.weight = view(t, {kWidth});
  back.residual = view(t, rows);
  back.dx = view(t, rows);
  back.dweight = view(DType::kF32, {kWidth});
  back.dbias = view(DType::kF32, {kWidth});
  back.partials = view(DType::kF32, norm_partials(kTokens, kWidth));
  rates.print(("norm backward" + name).c_str(), back);
}

void print_rows(Rates& rates, DType t) {
  const std::string name = std::string(" ") + name_of(t);
  const Shape rows{kTokens, kWidth};
  const Shape wide{kTokens, 4 * kWidth};
  print_norm(rates, t, name);
  rates.print(("gelu" + name).c_str(), Gelu{view(t, wide), view(t, wide)});
  rates.print(
      ("swiglu forward" + name).c_str(),
      SwigluForward{view(t, {kTokens, 4096}), view(t, {kTokens, 2048})});
  rates.print(("swiglu backward" + name).c_str(),
              SwigluBackward{view(t, {kTokens, 2048}), view(t, {kTokens, 4096}),
                             view(t, {kTokens, 4096})});
  rates.print(("rotary" + name).c_str(),
              Rotary{{kSamples, kSequence, 12, 12, 64},
                     view(t, {kTokens, 3 * kWidth})});
  rates.print(("embedding forward" + name).c_str(),
              EmbeddingForward{view(DType::kI32, {kTokens}),
                               view(t, {kVocab, kWidth}),
                               view(t, {kSequence, kWidth}),
                               view(t, rows),
                               {},
                               kSequence});
  rates.print(("embedding backward" + name).c_str(),
              EmbeddingBackward{view(DType::kI32, {kTokens}),
                                view(t, rows),
                                view(DType::kF32, {4096, kWidth}),
                                view(DType::kF32, {kSequence, kWidth}),
                                {},
                                kSequence});
  rates.print(("add" + name).c_str(), Add{view(t, wide), view(t, wide)});
}

void print_optimizer(Rates& rates) {
  const Shape all{std::int64_t{124} << 20};
  const auto f32 = [](const Shape& shape) { return view(DType::kF32, shape); };
  AdamW adamw{f32(all), f32(all), f32(all), f32(all)};
  adamw.copy = view(DType::kBF16, all);
  adamw.factor = f32({1});
  rates.print("adamw with a bf16 copy", adamw);
  const SquaredNorm norm{f32(all), view(DType::kF64, {(124 << 20) / 65536})};
  rates.print("squared norm", norm);
  rates.print("fill normal", FillNormal{f32(all)});
}

void print_all() {
  Rates rates;
  for (const DType t : {DType::kBF16, DType::kF32}) {
    print_linear(rates, t, kWidth, 3 * kWidth);
    print_linear(rates, t, kWidth, kWidth);
    print_linear(rates, t, kWidth, 4 * kWidth);
    print_linear(rates, t, 4 * kWidth, kWidth);
    print_head(rates, t);
    print_attention(rates, t);
    print_rows(rates, t);
  }
  print_optimizer(rates);
}

}  // namespace
}  // namespace cairn

int main() { cairn::print_all(); }
