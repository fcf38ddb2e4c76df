#include "parallel/sim_world.h"

#include <algorithm>
#include <optional>

#include "parallel/sim/sim_communicator.h"

namespace cairn {
namespace {

class SimWorld final : public World {
 public:
  SimWorld(SimMachine& machine, int rank, int size)
      : machine_(machine), rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::unique_ptr<Communicator> make(const std::string& name,
                                     const std::vector<int>& ranks) override {
    const int number = machine_.join(rank_, name, ranks);
    const auto place = std::find(ranks.begin(), ranks.end(), rank_);
    const Group group{name, ranks, static_cast<int>(place - ranks.begin())};
    return std::make_unique<SimCommunicator>(machine_, group, number);
  }

  // What was given up shows when the machine is solved.
  std::optional<std::string> lost() override { return std::nullopt; }

  void abort(const std::string& why) noexcept override {
    machine_.abort(rank_, why);
  }

 private:
  SimMachine& machine_;
  int rank_;
  int size_;
};

}  // namespace

std::unique_ptr<World> make_sim_world(SimMachine& machine, int rank, int size) {
  return std::make_unique<SimWorld>(machine, rank, size);
}

}  // namespace cairn
