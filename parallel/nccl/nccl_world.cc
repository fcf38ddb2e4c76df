#include <nccl.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "parallel/nccl/nccl_communicator.h"
#include "parallel/nccl/status.h"
#include "parallel/nccl/watch.h"
#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {
namespace {

class NcclWorld final : public World {
 public:
  NcclWorld(World& host, Backend& backend, const NcclOptions& options)
      : host_(host),
        backend_(backend),
        options_(options),
        cpu_(make_backend("cpu", {1})),
        stream_(cpu_->make_stream("nccl")),
        watch_(host) {}

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  std::unique_ptr<Communicator> make(const std::string& name,
                                     const std::vector<int>& ranks) override {
    const auto group = host_.make(name, ranks);
    return std::make_unique<NcclCommunicator>(group->group(),
                                              agree_on_id(*group), backend_,
                                              watch_, endings_, options_);
  }
  void abort(const std::string& why) noexcept override;
  std::optional<std::string> lost() override { return host_.lost(); }

 private:
  ncclUniqueId agree_on_id(Communicator& group);

  World& host_;
  Backend& backend_;
  NcclOptions options_;
  std::unique_ptr<Backend> cpu_;
  std::unique_ptr<Stream> stream_;
  NcclEndings endings_;
  NcclWatch watch_;
};

void NcclWorld::abort(const std::string& why) noexcept {
  host_.abort(why);
  try {
    watch_.look_now();
  } catch (...) {  // NOLINT(bugprone-empty-catch)
    // No memory is left. The watch's own thread looks again.
  }
}

// The first of the group asks NCCL for it.
ncclUniqueId NcclWorld::agree_on_id(Communicator& group) {
  ncclUniqueId id{};
  if (group.group().rank == 0) {
    check(ncclGetUniqueId(&id), "beginning group " + group.group().name);
  }
  const TensorView bytes{reinterpret_cast<std::byte*>(&id),
                         DType::kI32,
                         {static_cast<std::int64_t>(sizeof(id) / 4)}};
  group.broadcast(*stream_, bytes, 0);
  stream_->synchronize();
  return id;
}

}  // namespace

bool nccl_is_built() { return true; }

// NCCL connects members for every way of doing an operation when they first
// meet, not when one is first used: that would make callers wait for each other
// in whatever order they come.
std::unique_ptr<World> make_nccl_world(World& host, Backend& backend,
                                       const NcclOptions& options) {
  setenv("NCCL_RUNTIME_CONNECT", "0", /*replace=*/0);
  return std::make_unique<NcclWorld>(host, backend, options);
}

}  // namespace cairn
