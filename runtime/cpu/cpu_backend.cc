#include "runtime/cpu/cpu_backend.h"

#include <cstring>

#include "runtime/cpu/cpu_kernels.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/cpu/widening.h"

namespace cairn {
namespace {

void copy(Stream& stream, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  cpu_native(stream).enqueue([=] { std::memcpy(to, from, bytes); });
}

}  // namespace

std::unique_ptr<Stream> CpuBackend::make_stream(const std::string& name) {
  return std::make_unique<CpuStream>(name);
}

std::size_t CpuBackend::workspace_bytes() const {
  return cpu_workspace_bytes(team_.threads());
}

std::unique_ptr<Kernels> CpuBackend::make_kernels(const TensorView& workspace) {
  return make_widening_kernels(make_cpu_kernels(team_, workspace));
}

void CpuBackend::upload(Stream& stream, const TensorView& to,
                        const void* from) {
  copy(stream, to.data, from, to.bytes());
}

void CpuBackend::download(Stream& stream, void* to, const TensorView& from) {
  copy(stream, to, from.data, from.bytes());
}

}  // namespace cairn
