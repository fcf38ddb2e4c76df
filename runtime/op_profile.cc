#include "runtime/op_profile.h"

#include <algorithm>
#include <utility>

#include "runtime/attention_scratch.h"

namespace cairn {
namespace {

std::vector<double> sizes_of(std::int64_t a, std::int64_t b, std::int64_t c) {
  return {static_cast<double>(a), static_cast<double>(b),
          static_cast<double>(c)};
}

std::vector<double> sizes_of(const AttentionShape& s) {
  return sizes_of(s.sequence, s.samples * s.heads, s.head_size);
}

std::vector<double> sizes_of(const Shape& shape) {
  if (shape.dims() != 2) return {static_cast<double>(shape.elements())};
  return {static_cast<double>(shape[0]), static_cast<double>(shape[1])};
}

// Heads whose gradients are computed side by side: all, or as many as the room
// that a deterministic backward is given holds the scores' gradients of. Room
// for none is where another kernel computes them, far from all others.
std::int64_t heads_at_once(const AttentionBackward& op) {
  const AttentionShape& s = op.shape;
  const std::int64_t all = s.samples * s.heads;
  if (!op.scratch) return all;
  const auto room = static_cast<std::int64_t>(op.scratch.bytes());
  const std::int64_t fit =
      (room - kCudnnCallBytes) / steady_head_bytes(s) * (s.heads / s.kv_heads);
  return std::clamp<std::int64_t>(fit, 1, all);
}

// Kind and sizes by operation; everything unnamed is a pass over its first
// operand.
struct Sizes {
  OpProfile& profile;

  void operator()(const LinearForward& op) const {
    set(OpClass::kProduct,
        sizes_of(op.x.shape[0], op.w.shape[0], op.x.shape[1]));
  }
  void operator()(const LinearBackwardInput& op) const {
    set(OpClass::kProduct,
        sizes_of(op.dy.shape[0], op.w.shape[1], op.w.shape[0]));
  }
  void operator()(const LinearBackwardWeight& op) const {
    set(OpClass::kProduct,
        sizes_of(op.dy.shape[1], op.x.shape[1], op.dy.shape[0]));
  }
  void operator()(const HeadLoss& op) const {
    set(OpClass::kProduct,
        sizes_of(op.x.shape[0], op.w.shape[0], op.x.shape[1]));
  }
  void operator()(const AttentionForward& op) const {
    set(OpClass::kAttentionForward, sizes_of(op.shape));
  }
  void operator()(const AttentionBackward& op) const {
    set(OpClass::kAttentionBackward,
        sizes_of(op.shape.sequence, heads_at_once(op), op.shape.head_size));
  }
  template <typename Op>
  void operator()(const Op& /*op*/) const {}

  void set(OpClass kind, std::vector<double> sizes) const {
    profile.kind = kind;
    profile.sizes = std::move(sizes);
  }
};

}  // namespace

OpProfile profile_of(const KernelOp& op) {
  OpProfile profile;
  profile.flops = flops(op);
  profile.bytes = bytes_moved(op);
  visit_operands(op, [&](const ConstOperand& operand) {
    if (!profile.sizes.empty()) return;
    profile.type = operand.view.dtype;
    profile.sizes = sizes_of(operand.view.shape);
  });
  std::visit(Sizes{profile}, op);
  return profile;
}

std::string family_of(const std::string& key) {
  std::string family;
  bool inside = false;
  for (const char c : key) {
    if (c == '[') inside = true;
    if (!inside) family += c;
    if (c == ']') inside = false;
  }
  const auto heads = family.find(" heads=");
  if (heads == std::string::npos) return family;
  const auto size = family.find(" of ", heads);
  family.erase(heads, size - heads);
  return family.erase(family.find(" samples="));
}

KernelOp bare_product(const KernelOp& op) {
  if (const auto* forward = std::get_if<LinearForward>(&op)) {
    LinearForward bare;
    bare.x = forward->x;
    bare.w = forward->w;
    bare.y = forward->y;
    return bare;
  }
  if (const auto* input = std::get_if<LinearBackwardInput>(&op)) {
    LinearBackwardInput bare;
    bare.dy = input->dy;
    bare.w = input->w;
    bare.dx = input->dx;
    return bare;
  }
  if (const auto* weight = std::get_if<LinearBackwardWeight>(&op)) {
    LinearBackwardWeight bare;
    bare.dy = weight->dy;
    bare.x = weight->x;
    bare.dw = weight->dw;
    return bare;
  }
  return op;
}

}  // namespace cairn
