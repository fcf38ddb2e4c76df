// A device that only pretends: work takes no time, kernels do nothing, and
// memory is addresses that nobody may touch. With it, the code that trains
// tells what it will allocate, in which order, without a byte of it.

#pragma once

#include "runtime/backend.h"

namespace cairn {

class SimMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* /*address*/, std::size_t /*bytes*/, Owner /*owner*/,
                  Stream& /*stream*/) noexcept override {}

 private:
  std::uintptr_t next_ = std::uintptr_t{1} << 40;
};

class SimBackend final : public Backend {
 public:
  // `workspace_bytes` of the device that is pretended.
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
  SimMemory memory_;
  std::size_t workspace_bytes_;
};

}  // namespace cairn
