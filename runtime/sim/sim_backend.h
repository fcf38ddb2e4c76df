// The sim backend: everything is accepted, nothing is done. Its sizes are those
// of the backend it stands in for.

#pragma once

#include "runtime/backend.h"
#include "runtime/sim/sim_memory.h"

namespace cairn {

class SimBackend final : public Backend {
 public:
  explicit SimBackend(std::size_t workspace_bytes)
      : workspace_bytes_(workspace_bytes) {}

  Device device() const override { return {Device::Kind::kSim, 0}; }
  std::unique_ptr<Stream> make_stream(const std::string& name) override;
  MemoryResource& memory() override { return memory_; }
  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  std::unique_ptr<Kernels> make_kernels(const TensorView& workspace) override;
  void upload(Stream& /*stream*/, const TensorView& /*to*/,
              const void* /*from*/) override {}
  void download(Stream& /*stream*/, void* /*to*/,
                const TensorView& /*from*/) override {}

 private:
  std::size_t workspace_bytes_;
  SimMemory memory_;
};

}  // namespace cairn
