#include "runtime/cuda/cudnn_attention.h"

#include <cudnn_frontend.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "runtime/attention_scratch.h"
#include "runtime/cuda/status.h"
#include "runtime/error.h"

namespace cairn {
namespace {

namespace graph = cudnn_frontend::graph;
using Tensor4 = std::shared_ptr<graph::Tensor_attributes>;
using Type = cudnn_frontend::DataType_t;

enum class Pass : std::uint8_t { kForward, kFastBackward, kSteadyBackward };

Pass backward_of(bool deterministic) {
  return deterministic ? Pass::kSteadyBackward : Pass::kFastBackward;
}

// Names of tensors within a graph.
enum Name : std::int64_t { kQ, kK, kV, kOut, kLse, kDout, kDq, kDk, kDv };

// Some samples and some key heads, with their query heads, of an attention.
struct Part {
  std::int64_t samples;
  std::int64_t kv_heads;
};

std::string to_text(const AttentionShape& s) {
  return "attention of " + std::to_string(s.samples) + " samples of " +
         std::to_string(s.sequence) + " tokens, " + std::to_string(s.heads) +
         " heads over " + std::to_string(s.kv_heads) + " of size " +
         std::to_string(s.head_size);
}

void check(cudnnStatus_t status, const std::string& call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw Error(Code::kDeviceFault, call + ": " + cudnnGetErrorString(status));
}

void check(const cudnn_frontend::error_t& error, const std::string& call) {
  if (error.is_good()) return;
  throw Error(Code::kDeviceFault, call + " by cuDNN: " + error.err_msg);
}

// Heads of one tensor of a part: rows of `row` elements, heads side by side.
template <typename Attributes>
Attributes& lay_out(Attributes& tensor, Name name, const AttentionShape& s,
                    std::int64_t samples, std::int64_t heads,
                    std::int64_t row) {
  return tensor.set_uid(name)
      .set_dim({samples, heads, s.sequence, s.head_size})
      .set_stride({row * s.sequence, s.head_size, row, 1})
      .set_data_type(Type::BFLOAT16);
}

template <typename Attributes>
Attributes& lay_out_lse(Attributes& tensor, const AttentionShape& s,
                        std::int64_t samples, std::int64_t heads) {
  return tensor.set_uid(kLse)
      .set_dim({samples, heads, s.sequence, 1})
      .set_stride({s.heads * s.sequence, s.sequence, 1, 1})
      .set_data_type(Type::FLOAT);
}

// The graph of a part of an attention.
class Sketch {
 public:
  Sketch(const AttentionShape& shape, const Part& part)
      : s_(shape),
        samples_(part.samples),
        heads_(part.kv_heads * (shape.heads / shape.kv_heads)),
        kv_heads_(part.kv_heads),
        qkv_row_(shape.qkv_width()),
        out_row_(shape.heads * shape.head_size),
        scale_(1.0F / std::sqrt(static_cast<float>(shape.head_size))) {
    graph_->set_io_data_type(Type::BFLOAT16)
        .set_intermediate_data_type(Type::FLOAT)
        .set_compute_data_type(Type::FLOAT);
    q_ = input(kQ, heads_, qkv_row_);
    k_ = input(kK, kv_heads_, qkv_row_);
    v_ = input(kV, kv_heads_, qkv_row_);
  }

  std::shared_ptr<graph::Graph> forward() {
    auto options = graph::SDPA_attributes()
                       .set_generate_stats(true)
                       .set_causal_mask(true)
                       .set_attn_scale(scale_);
    const auto [out, lse] = graph_->sdpa(q_, k_, v_, options);
    output(out, kOut, heads_, out_row_);
    lay_out_lse(lse->set_output(true), s_, samples_, heads_);
    return graph_;
  }

  std::shared_ptr<graph::Graph> backward(bool deterministic) {
    auto options = graph::SDPA_backward_attributes()
                       .set_causal_mask(true)
                       .set_attn_scale(scale_)
                       .set_deterministic_algorithm(deterministic);
    const Tensor4 out = input(kOut, heads_, out_row_);
    const Tensor4 dout = input(kDout, heads_, out_row_);
    graph::Tensor_attributes stats;
    const Tensor4 lse =
        graph_->tensor(lay_out_lse(stats, s_, samples_, heads_));
    const auto [dq, dk, dv] =
        graph_->sdpa_backward(q_, k_, v_, out, dout, lse, options);
    output(dq, kDq, heads_, qkv_row_);
    output(dk, kDk, kv_heads_, qkv_row_);
    output(dv, kDv, kv_heads_, qkv_row_);
    return graph_;
  }

 private:
  Tensor4 input(Name name, std::int64_t heads, std::int64_t row) {
    graph::Tensor_attributes tensor;
    return graph_->tensor(lay_out(tensor, name, s_, samples_, heads, row));
  }
  void output(const Tensor4& tensor, Name name, std::int64_t heads,
              std::int64_t row) {
    lay_out(tensor->set_output(true), name, s_, samples_, heads, row);
  }

  AttentionShape s_;
  std::int64_t samples_;
  std::int64_t heads_;
  std::int64_t kv_heads_;
  std::int64_t qkv_row_;
  std::int64_t out_row_;
  float scale_;
  std::shared_ptr<graph::Graph> graph_ = std::make_shared<graph::Graph>();
  Tensor4 q_;
  Tensor4 k_;
  Tensor4 v_;
};

using Library = std::shared_ptr<cudnnContext>;

Library open() {
  cudnnHandle_t made = nullptr;
  check(cudnnCreate(&made), "opening cuDNN");
  return {made, cudnnDestroy};
}

// None where cuDNN has no kernel for the graph. One plan, the one that the
// heuristics rate best: trying others would cost time at the start and make the
// choice depend on the clock.
struct Plan {
  std::shared_ptr<graph::Graph> graph;
  std::size_t room = 0;
  Library library;  // that it was made with, and runs with
};

Plan build(const Library& library, Pass pass, const AttentionShape& s,
           const Part& part) {
  Sketch sketch(s, part);
  const auto made = pass == Pass::kForward
                        ? sketch.forward()
                        : sketch.backward(pass == Pass::kSteadyBackward);
  const bool served =
      made->validate().is_good() &&
      made->build_operation_graph(library.get()).is_good() &&
      made->create_execution_plans({cudnn_frontend::HeurMode_t::A}).is_good() &&
      made->check_support().is_good() && made->build_plans().is_good();
  if (!served) return {};
  return {made, static_cast<std::size_t>(made->get_workspace_size()), library};
}

bool is_aligned(const TensorView& view) {
  return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
}

// What the graphs above can say.
template <typename... Views>
bool fits(const AttentionShape& s, const Views&... views) {
  return s.head_size % 8 == 0 && ((views.dtype == DType::kBF16) && ...) &&
         (is_aligned(views) && ...);
}

using Operands = std::unordered_map<std::int64_t, void*>;

// Where a part of an operation begins.
struct Place {
  const AttentionShape& s;
  std::int64_t sample;
  std::int64_t kv_head;

  // Head `head` of rows of `width` elements of bf16.
  void* head(const TensorView& rows, std::int64_t head) const {
    const std::int64_t width = rows.shape[1];
    return rows.data + 2 * (sample * s.sequence * width + head * s.head_size);
  }
  std::int64_t q() const { return kv_head * (s.heads / s.kv_heads); }
  void* lse(const TensorView& lse) const {
    return lse.data + 4 * (sample * s.heads + q()) * s.sequence;
  }
  void add(Operands& all, const TensorView& qkv, Name q_name, Name k_name,
           Name v_name) const {
    all[q_name] = head(qkv, q());
    all[k_name] = head(qkv, s.heads + kv_head);
    all[v_name] = head(qkv, s.heads + s.kv_heads + kv_head);
  }
};

// At most as many as before, in pieces of the same size.
std::int64_t even(std::int64_t all, std::int64_t most) {
  const std::int64_t pieces = (all + most - 1) / most;
  return (all + pieces - 1) / pieces;
}

// The largest part of a backward that there is room for, or none, by what cuDNN
// is known to take.
std::optional<Part> first_part(Pass pass, const AttentionShape& s,
                               std::int64_t room) {
  if (pass == Pass::kFastBackward) return Part{s.samples, s.kv_heads};
  const std::int64_t most = (room - kCudnnCallBytes) / steady_head_bytes(s);
  if (most < 1) return std::nullopt;
  if (most < s.kv_heads) return Part{1, even(s.kv_heads, most)};
  return Part{even(s.samples, std::min(most / s.kv_heads, s.samples)),
              s.kv_heads};
}

}  // namespace

class CudnnAttention::Plans {
 public:
  Plans() : library_(open()) {}

  const Plan& plan(Pass pass, const AttentionShape& s, const Part& part) {
    const Key key = key_of(pass, s, part);
    if (auto coming = coming_.extract(key)) {
      plans_.emplace(key, coming.mapped().get());
    }
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    return plans_.emplace(key, build(library_, pass, s, part)).first->second;
  }

  bool knows(Pass pass, const AttentionShape& s, const Part& part) const {
    return plans_.contains(key_of(pass, s, part));
  }

  // Makes a plan on a thread beside, with a handle of its own: cuDNN compiles
  // kernels, and those of forward and backward then take their time together.
  void prepare(Pass pass, const AttentionShape& s, const Part& part) {
    if (knows(pass, s, part)) return;
    int device = 0;
    check(cudaGetDevice(&device), "asking for the device");
    coming_[key_of(pass, s, part)] = std::async(std::launch::async, [=] {
      check(cudaSetDevice(device), "choosing the device");
      return build(open(), pass, s, part);
    });
  }

  // The largest part of a backward that there is room for, or none.
  std::optional<Part> part(Pass pass, const AttentionShape& s,
                           std::size_t room) {
    std::optional<Part> part =
        first_part(pass, s, static_cast<std::int64_t>(room));
    while (part) {
      const Plan& made = plan(pass, s, *part);
      if (made.graph && made.room <= room) break;
      std::int64_t& cut = part->samples > 1 ? part->samples : part->kv_heads;
      if (!made.graph || cut == 1) return std::nullopt;
      cut = even(cut, cut - 1);
    }
    return part;
  }

  void run(cudaStream_t stream, const Plan& plan, Operands& operands,
           std::byte* room, const AttentionShape& s) {
    require(plan.graph != nullptr, "cuDNN serves an attention only in part");
    check(cudnnSetStream(plan.library.get(), stream), to_text(s));
    check(plan.graph->execute(plan.library.get(), operands, room), to_text(s));
  }

 private:
  using Key = std::array<std::int64_t, 7>;

  static Key key_of(Pass pass, const AttentionShape& s, const Part& part) {
    return {static_cast<std::int64_t>(pass),
            part.samples,
            part.kv_heads,
            s.sequence,
            s.heads,
            s.kv_heads,
            s.head_size};
  }

  Library library_;
  std::map<Key, Plan> plans_;
  std::map<Key, std::future<Plan>> coming_;
};

CudnnAttention::CudnnAttention(bool deterministic)
    : deterministic_(deterministic) {}
CudnnAttention::~CudnnAttention() = default;

bool CudnnAttention::run(cudaStream_t stream, const AttentionForward& op,
                         std::span<std::byte> room) {
  const AttentionShape& s = op.shape;
  if (!fits(s, op.qkv, op.out)) return false;
  if (!plans_) plans_ = std::make_unique<Plans>();
  const Part all{s.samples, s.kv_heads};
  if (!plans_->knows(Pass::kForward, s, all)) {
    const Pass next = backward_of(deterministic_);
    const std::int64_t later =
        4 * attention_scratch(s, op.qkv.dtype, deterministic_);
    const auto part = first_part(next, s, later);
    if (part) plans_->prepare(next, s, *part);
  }
  const Plan& plan = plans_->plan(Pass::kForward, s, all);
  if (!plan.graph || plan.room > room.size()) return false;
  Operands operands{{kOut, op.out.data}, {kLse, op.lse.data}};
  Place{s, 0, 0}.add(operands, op.qkv, kQ, kK, kV);
  plans_->run(stream, plan, operands, room.data(), s);
  return true;
}

// In equal parts, and what is left.
bool CudnnAttention::run(cudaStream_t stream, const AttentionBackward& op) {
  const AttentionShape& s = op.shape;
  if (!fits(s, op.dout, op.qkv, op.out, op.dqkv)) return false;
  if (!plans_) plans_ = std::make_unique<Plans>();
  const Pass pass = backward_of(deterministic_);
  const std::optional<Part> part = plans_->part(pass, s, op.scratch.bytes());
  if (!part) return false;
  for (std::int64_t sample = 0; sample < s.samples; sample += part->samples) {
    for (std::int64_t kv = 0; kv < s.kv_heads; kv += part->kv_heads) {
      const Place place{s, sample, kv};
      Operands all{{kOut, place.head(op.out, place.q())},
                   {kDout, place.head(op.dout, place.q())},
                   {kLse, place.lse(op.lse)}};
      place.add(all, op.qkv, kQ, kK, kV);
      place.add(all, op.dqkv, kDq, kDk, kDv);
      const Part own{std::min(part->samples, s.samples - sample),
                     std::min(part->kv_heads, s.kv_heads - kv)};
      plans_->run(stream, plans_->plan(pass, s, own), all, op.scratch.data, s);
    }
  }
  return true;
}

bool cudnn_is_built() { return true; }

}  // namespace cairn
