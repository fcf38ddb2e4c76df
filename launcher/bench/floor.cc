#include "launcher/bench/floor.h"

#include <algorithm>

namespace cairn {
namespace {

// A head goes over its tokens in chunks: logits, then both of their gradients.
std::vector<InnerProduct> head_products(const HeadLoss& op) {
  const std::int64_t tokens = op.x.shape[0];
  const std::int64_t rows = std::min(op.logits.shape[0], tokens);
  const double chunks = static_cast<double>(tokens) / static_cast<double>(rows);
  const Shape part{rows, op.x.shape[1]};
  const TensorView logits = op.logits.part(0, {rows, op.w.shape[0]});
  LinearForward forward;
  forward.x = op.x.part(0, part);
  forward.w = op.w;
  forward.y = logits;
  std::vector<InnerProduct> products{{forward, chunks}};
  if (!op.dx) return products;
  LinearBackwardInput input;
  input.dy = logits;
  input.w = op.w;
  input.dx = op.dx.part(0, part);
  LinearBackwardWeight weight;
  weight.dy = logits;
  weight.x = op.x.part(0, part);
  weight.dw = op.dw;
  weight.accumulate = true;
  products.push_back({input, chunks});
  products.push_back({weight, chunks});
  return products;
}

// Of logits: read once, and with gradients written in their place.
double logits_bytes(const HeadLoss& op) {
  const double all = static_cast<double>(op.x.shape[0] * op.w.shape[0]) *
                     static_cast<double>(size_of(op.logits.dtype));
  return op.dx ? 2 * all : all;
}

// What an operation moves beside its products: of a head its logits, of others
// what is fused to them (biases, residuals, what GELU reads and writes).
double bytes_beside(const KernelOp& op, const OpProfile& profile) {
  if (const auto* head = std::get_if<HeadLoss>(&op)) return logits_bytes(*head);
  return profile.bytes - profile_of(bare_product(op)).bytes;
}

}  // namespace

std::vector<InnerProduct> inner_products(const KernelOp& op) {
  if (const auto* head = std::get_if<HeadLoss>(&op)) {
    return head_products(*head);
  }
  if (profile_of(op).kind != OpClass::kProduct) return {};
  return {{bare_product(op), 1}};
}

double floor_of(const KernelOp& op, const MeasuredOp& whole,
                const std::map<std::string, MeasuredOp>& parts,
                const Ceilings& ceilings) {
  double least = 0;
  switch (whole.profile.kind) {
    case OpClass::kPass:
      least = whole.profile.bytes / ceilings.bytes_per_second;
      break;
    case OpClass::kProduct:
      for (const InnerProduct& product : inner_products(op)) {
        least += product.times * parts.at(key_of(product.op)).seconds;
      }
      least += bytes_beside(op, whole.profile) / ceilings.bytes_per_second;
      break;
    case OpClass::kAttentionForward:
    case OpClass::kAttentionBackward:
      return whole.seconds;
  }
  return std::min(least, whole.seconds);
}

}  // namespace cairn
