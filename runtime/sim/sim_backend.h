// The sim backend: everything is accepted and recorded, nothing is done. Its
// sizes are those of the backend it stands in for.

#pragma once

#include "runtime/backend.h"
#include "runtime/sim/sim_memory.h"
#include "runtime/sim/sim_state.h"

namespace cairn {

class SimBackend : public Backend {
 public:
  SimBackend(SimState& state, int rank, std::size_t workspace_bytes)
      : state_(state), rank_(rank), workspace_bytes_(workspace_bytes) {}

  Device device() const override { return {Device::Kind::kSim, rank_}; }
  std::unique_ptr<Stream> make_stream(const std::string& name) override;
  MemoryResource& memory() override { return memory_; }
  MemoryResource& host_memory() override { return host_memory_; }
  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  std::unique_ptr<Kernels> make_kernels(const TensorView& workspace) override;
  void upload(Stream& stream, const TensorView& to, const void* from) override;
  void download(Stream& stream, void* to, const TensorView& from) override;

 private:
  SimState& state_;
  int rank_;
  std::size_t workspace_bytes_;
  SimMemory memory_;
  SimHostMemory host_memory_;
};

// A machine of one rank, played whenever its host synchronizes, so that times
// are known as a real device's are.
std::unique_ptr<Backend> make_lone_sim_backend(std::size_t workspace_bytes);

}  // namespace cairn
