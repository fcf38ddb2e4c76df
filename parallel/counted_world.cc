#include "parallel/counted_world.h"

#include <utility>

namespace cairn {
namespace {

class CountedCommunicator final : public Communicator {
 public:
  CountedCommunicator(std::unique_ptr<Communicator> inner, Traffic& traffic)
      : inner_(std::move(inner)), sent_(traffic[inner_->group().name]) {}

  const Group& group() const override { return inner_->group(); }

  void all_gather(Stream& stream, const TensorView& from,
                  const TensorView& to) override {
    count(from.bytes() * others());
    inner_->all_gather(stream, from, to);
  }

  void reduce_scatter(Stream& stream, const TensorView& from,
                      const TensorView& to) override {
    count(to.bytes() * others());
    inner_->reduce_scatter(stream, from, to);
  }

  void all_reduce(Stream& stream, const TensorView& x) override {
    count(2 * x.bytes() * others() / (others() + 1));
    inner_->all_reduce(stream, x);
  }

  void broadcast(Stream& stream, const TensorView& x, int root) override {
    if (root == group().rank) count(x.bytes() * others());
    inner_->broadcast(stream, x, root);
  }

  void send(Stream& stream, const TensorView& x, int to) override {
    count(x.bytes());
    inner_->send(stream, x, to);
  }

  void receive(Stream& stream, const TensorView& x, int from) override {
    inner_->receive(stream, x, from);
  }

  void barrier(Stream& stream) override { inner_->barrier(stream); }

 private:
  std::size_t others() const {
    return static_cast<std::size_t>(group().size()) - 1;
  }
  void count(std::size_t bytes) { sent_ += static_cast<std::int64_t>(bytes); }

  std::unique_ptr<Communicator> inner_;
  std::int64_t& sent_;
};

class CountedWorld final : public World {
 public:
  CountedWorld(World& inner, Traffic& traffic)
      : inner_(inner), traffic_(traffic) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  std::unique_ptr<Communicator> make(const std::string& name,
                                     const std::vector<int>& ranks) override {
    return std::make_unique<CountedCommunicator>(inner_.make(name, ranks),
                                                 traffic_);
  }
  void abort(const std::string& why) noexcept override { inner_.abort(why); }
  std::optional<std::string> lost() override { return inner_.lost(); }

 private:
  World& inner_;
  Traffic& traffic_;
};

}  // namespace

std::unique_ptr<World> make_counted_world(World& world, Traffic& traffic) {
  return std::make_unique<CountedWorld>(world, traffic);
}

}  // namespace cairn
