#include "runtime/cpu/cpu_backend.h"

#include <cstring>

#include "runtime/cpu/cpu_kernels.h"
#include "runtime/cpu/cpu_stream.h"

namespace cairn {

std::unique_ptr<Stream> CpuBackend::make_stream(const std::string& name) {
  return std::make_unique<CpuStream>(name);
}

std::size_t CpuBackend::workspace_bytes() const {
  return cpu_workspace_bytes(team_.threads());
}

std::unique_ptr<Kernels> CpuBackend::make_kernels(const TensorView& workspace) {
  return make_cpu_kernels(team_, workspace);
}

void CpuBackend::upload(Stream& stream, const TensorView& to,
                        const void* from) {
  cpu_native(stream).enqueue(
      [to, from] { std::memcpy(to.data, from, to.bytes()); });
}

void CpuBackend::download(Stream& stream, void* to, const TensorView& from) {
  cpu_native(stream).enqueue(
      [to, from] { std::memcpy(to, from.data, from.bytes()); });
}

}  // namespace cairn
