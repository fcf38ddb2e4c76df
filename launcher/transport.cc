#include "launcher/transport.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "parallel/staged_world.h"
#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// Whether NCCL carries it all, on every rank or on none. It is not taken for
// threads unless asked for: one whose launches wait for its device may hold
// what the others of the process launch with, while the device waits for them.
bool uses_nccl(const Config& config, World& host, const Seat& seat) {
  const bool asked = config.parallel.transport == "nccl";
  const bool open = config.parallel.transport == "auto" && host.size() > 1 &&
                    nccl_is_built() && launched_by_mpi();
  if (!asked && !open) return false;
  const int sharing = first_unable(host, seat.ranks <= devices_of("cuda"));
  if (sharing < 0 || !asked) return sharing < 0;
  throw Error(Code::kBadArgument,
              "parallel.transport = \"nccl\" takes a device for each rank, and "
              "rank " +
                  std::to_string(sharing) +
                  " shares one with others of its machine; the nearest choice "
                  "is \"host\"");
}

}  // namespace

int first_unable(World& world, bool able) {
  const auto backend = make_backend("cpu", {1});
  const auto stream = backend->make_stream("start");
  std::vector<int> everyone(static_cast<std::size_t>(world.size()));
  std::iota(everyone.begin(), everyone.end(), 0);
  const auto all = world.make("start", everyone);
  std::vector<float> unable(everyone.size(), able ? 0.0F : 1.0F);
  const TensorView each{
      reinterpret_cast<std::byte*>(unable.data()), DType::kF32, {world.size()}};
  all->all_gather(*stream, each.part(world.rank(), {1}), each);
  stream->synchronize();
  const auto first = std::find(unable.begin(), unable.end(), 1.0F);
  return first == unable.end() ? -1 : static_cast<int>(first - unable.begin());
}

std::unique_ptr<World> make_device_world(const Config& config, World& host,
                                         Backend& backend, const Seat& seat) {
  if (backend.device().kind == Device::Kind::kCpu) return nullptr;
  if (!uses_nccl(config, host, seat)) return make_staged_world(host, backend);
  NcclOptions options;
  options.timeout = timeout_of(config);
  options.in_rank_order = config.train.deterministic;
  return make_nccl_world(host, backend, options);
}

}  // namespace cairn
