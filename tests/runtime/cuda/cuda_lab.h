// The bench of the CUDA tests: operations on host memory are done once by the
// CPU body and twice by the CUDA body, on copies; results must agree within a
// relative norm, and both times to the bit.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/backend.h"
#include "runtime/operands.h"

namespace cairn {

// Memory, streams and kernels of the device, and operands on the host.
class CudaLab : public testing::TestWithParam<DType> {
 protected:
  // Without `deterministic`, what is done twice need not have equal bits.
  explicit CudaLab(bool deterministic = true);

  // Host operands: numbers drawn, numbers that show when they are not
  // overwritten, indices below `limit`.
  TensorView normal(const Shape& shape, float deviation = 1.0F);
  TensorView poison(const Shape& shape, DType dtype = DType::kF32);
  TensorView indices(std::int64_t n, std::int32_t limit);
  Dropout some_dropout();

  // Activations are of the type of the test; operands that are always f32 stay
  // so. With bf16 the host's numbers are rounded first.
  void expect_agreement(const KernelOp& op);

  bool is_deterministic() const { return deterministic_; }
  // Enqueues the operation on the device: through the kernels, unless a suite
  // tests something below them.
  virtual void compute(const KernelOp& op) { enqueue(*kernels_, *stream_, op); }
  Backend& backend() { return *backend_; }
  Stream& stream() { return *stream_; }
  Kernels& kernels() { return *kernels_; }
  std::mt19937_64& random() { return random_; }

 private:
  struct Result {
    std::string name;
    std::vector<std::byte> bytes;
    std::vector<double> values;
  };

  DType type_on_device(const Operand& operand) const;
  void round_inputs(KernelOp& op) const;
  std::vector<Result> run_on_device(const KernelOp& op);
  Tensor to_device(const TensorView& host, DType dtype);
  Result from_device(const char* name, const TensorView& view);

  bool deterministic_;
  std::mt19937_64 random_;
  std::deque<std::vector<double>> held_;  // enough for every type
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  Tensor workspace_;
  std::unique_ptr<Kernels> kernels_;
  std::unique_ptr<Backend> cpu_;
  std::unique_ptr<Stream> cpu_stream_;
  Tensor cpu_workspace_;
  std::unique_ptr<Kernels> cpu_kernels_;
};

}  // namespace cairn
