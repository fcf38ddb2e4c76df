// Small operations of every kind on heap memory, ready to run on the CPU. All
// samples of a kind together use each operand that it has.

#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/operands.h"

namespace cairn {

class OpSamples {
 public:
  OpSamples();

  const std::vector<KernelOp>& ops() const { return ops_; }

 private:
  // Memory of its own for a view, filled with harmless numbers.
  TensorView f32(const Shape& shape);
  TensorView f64(const Shape& shape);
  TensorView bf16(const Shape& shape);
  TensorView indices(std::int64_t n, std::int32_t limit);
  TensorView take(DType dtype, const Shape& shape);

  void add_linear();
  void add_norm();
  void add_attention();
  void add_rows();
  void add_head();
  void add_optimizer();
  void add_simple();

  std::deque<std::vector<double>> held_;
  std::vector<KernelOp> ops_;
};

}  // namespace cairn
