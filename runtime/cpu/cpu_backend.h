// The cpu backend: real streams, host memory, and kernels that a team of
// threads computes.

#pragma once

#include "runtime/backend.h"
#include "runtime/cpu/cpu_memory.h"
#include "runtime/cpu/team.h"

namespace cairn {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const BackendOptions& options) : team_(options.threads) {}

  Device device() const override { return {Device::Kind::kCpu, 0}; }
  std::unique_ptr<Stream> make_stream(const std::string& name) override;
  MemoryResource& memory() override { return memory_; }
  MemoryResource& host_memory() override { return memory_; }
  std::size_t workspace_bytes() const override;
  std::unique_ptr<Kernels> make_kernels(const TensorView& workspace) override;
  void upload(Stream& stream, const TensorView& to, const void* from) override;
  void download(Stream& stream, void* to, const TensorView& from) override;

 private:
  Team team_;
  CpuMemory memory_;
};

}  // namespace cairn
