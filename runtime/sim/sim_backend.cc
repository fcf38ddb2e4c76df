#include "runtime/sim/sim_backend.h"

#include "runtime/sim/sim_kernels.h"
#include "runtime/sim/sim_stream.h"

namespace cairn {
namespace {

// First among the bases of LoneSim: it must outlive the backend.
struct LoneState {
  LoneState() : lone(CostModel{}) { lone.solves_when_synchronized = true; }

  SimState lone;
};

class LoneSimBackend final : private LoneState, public SimBackend {
 public:
  explicit LoneSimBackend(std::size_t workspace_bytes)
      : SimBackend(lone, 0, workspace_bytes) {}
};

}  // namespace

std::unique_ptr<Stream> SimBackend::make_stream(const std::string& name) {
  return std::make_unique<SimStream>(state_, state_.make_log(rank_, name));
}

std::unique_ptr<Kernels> SimBackend::make_kernels(const TensorView& workspace) {
  return std::make_unique<SimKernels>(state_, rank_, workspace);
}

void SimBackend::upload(Stream& stream, const TensorView& to,
                        const void* from) {
  state_.push_copy(sim_native(stream, rank_), to, from, /*upload=*/true);
}

void SimBackend::download(Stream& stream, void* to, const TensorView& from) {
  state_.push_copy(sim_native(stream, rank_), from, to, /*upload=*/false);
}

std::unique_ptr<Backend> make_lone_sim_backend(std::size_t workspace_bytes) {
  return std::make_unique<LoneSimBackend>(workspace_bytes);
}

}  // namespace cairn
