#include "parallel/staged_world.h"

#include "parallel/staged/staged_communicator.h"

namespace cairn {
namespace {

class StagedWorld final : public World {
 public:
  StagedWorld(World& inner, Backend& backend)
      : inner_(inner),
        backend_(backend),
        stream_(backend.make_stream("staging")) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  std::unique_ptr<Communicator> make(const std::string& name,
                                     const std::vector<int>& ranks) override {
    return std::make_unique<StagedCommunicator>(inner_.make(name, ranks),
                                                backend_, *stream_);
  }
  void abort(const std::string& why) noexcept override { inner_.abort(why); }
  std::optional<std::string> lost() override { return inner_.lost(); }

 private:
  World& inner_;
  Backend& backend_;
  std::unique_ptr<Stream> stream_;  // whose order the host memory is in
};

}  // namespace

std::unique_ptr<World> make_staged_world(World& world, Backend& backend) {
  return std::make_unique<StagedWorld>(world, backend);
}

}  // namespace cairn
