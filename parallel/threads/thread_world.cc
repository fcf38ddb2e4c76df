#include <memory>
#include <utility>
#include <vector>

#include "parallel/operation/operation.h"
#include "parallel/threads/hub.h"
#include "parallel/threads/thread_communicator.h"
#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {
namespace {

class ThreadWorld final : public World {
 public:
  ThreadWorld(std::shared_ptr<Hub> hub, int rank)
      : hub_(std::move(hub)), rank_(rank) {
    hub_->board().enter(rank_, rank_, {});
  }
  ~ThreadWorld() override { hub_->leave(rank_); }

  ThreadWorld(const ThreadWorld&) = delete;
  ThreadWorld& operator=(const ThreadWorld&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return hub_->size(); }

  std::unique_ptr<Communicator> make(const std::string& name,
                                     const std::vector<int>& ranks) override {
    return std::make_unique<ThreadCommunicator>(
        hub_, rank_, make_group(rank_, size(), name, ranks));
  }

  void abort(const std::string& why) noexcept override {
    try {
      hub_->fail("rank " + std::to_string(rank_) + " gave up: " + why);
    } catch (...) {
      hub_->fail("");  // no memory is left for more
    }
  }

  std::optional<std::string> lost() override { return hub_->board().failure(); }

 private:
  std::shared_ptr<Hub> hub_;
  int rank_;
};

}  // namespace

std::vector<std::unique_ptr<World>> make_thread_worlds(
    int size, const WorldOptions& options) {
  if (size < 1) {
    throw Error(Code::kBadArgument, "a world of " + std::to_string(size) +
                                        " ranks was asked for; the least is 1");
  }
  const auto hub = std::make_shared<Hub>(size, options);
  std::vector<std::unique_ptr<World>> worlds;
  worlds.reserve(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    worlds.push_back(std::make_unique<ThreadWorld>(hub, rank));
  }
  return worlds;
}

}  // namespace cairn
