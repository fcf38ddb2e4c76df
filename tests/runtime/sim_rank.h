// One pretend rank for tests, on a machine where a byte takes a nanosecond.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/sim.h"
#include "runtime/tensor.h"

namespace cairn {

// Kernels, copies and exchanges take a nanosecond a byte, marks nothing.
inline CostModel byte_a_nanosecond() {
  CostModel costs;
  costs.f32.flops_per_second = 1e9;
  costs.bytes_per_second = 1e9;
  costs.kernel_overhead = 0;
  costs.event_overhead = 0;
  costs.copy_latency = 0;
  costs.upload_bytes_per_second = 1e9;
  costs.download_bytes_per_second = 1e9;
  costs.link = {0, 1e9, 1e9};
  return costs;
}

class SimTestRank {
 public:
  SimTestRank(SimMachine& machine, int number)
      : number_(number),
        machine_(machine),
        backend_(machine.make_backend(number, 0)),
        memory_(machine.make_memory(number, backend_->memory())),
        kernels_(backend_->make_kernels({})) {}

  Backend& backend() { return *backend_; }
  MemoryResource& memory() { return *memory_; }

  Stream& operator[](const std::string& name) {
    auto& stream = streams_[name];
    if (stream == nullptr) stream = backend_->make_stream(name);
    return *stream;
  }

  Tensor tensor(const std::string& stream, std::int64_t bytes) {
    return {*memory_,
            (*this)[stream],
            Owner::kActivations,
            DType::kF32,
            {bytes / 4}};
  }

  void write(const std::string& stream, const TensorView& x) {
    kernels_->fill((*this)[stream], x, 1.0F);
  }
  // Takes two nanoseconds a byte.
  void copy(const std::string& stream, const TensorView& x,
            const TensorView& y) {
    kernels_->cast((*this)[stream], x, y);
  }
  void wait(const std::string& waiter, const std::string& recorder) {
    (*this)[waiter].wait((*this)[recorder].record());
  }

  std::int64_t end() const { return machine_.end(number_).count(); }

 private:
  int number_;
  SimMachine& machine_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<MemoryResource> memory_;
  std::unique_ptr<Kernels> kernels_;
  std::map<std::string, std::unique_ptr<Stream>> streams_;
};

}  // namespace cairn
