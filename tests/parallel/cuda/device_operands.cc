#include "tests/parallel/cuda/device_operands.h"

#include <cuda_runtime_api.h>

#include <utility>

#include "parallel/operation/checked_communicator.h"
#include "runtime/error.h"

namespace cairn {
namespace {

class DeviceOperands final : public CheckedCommunicator {
 public:
  DeviceOperands(std::unique_ptr<Communicator> inner, Backend& backend,
                 std::size_t bytes)
      : CheckedCommunicator(inner->group()),
        inner_(std::move(inner)),
        backend_(backend),
        stream_(backend.make_stream(inner_->group().name)),
        memory_(backend.memory(), bytes, Owner::kData, *stream_) {}

 private:
  void enqueue(Stream& stream, const Operation& operation) override {
    stream.enqueue_host([this, operation] { perform(operation); });
  }

  void perform(const Operation& host);
  void call(const Operation& operation);

  std::unique_ptr<Communicator> inner_;
  Backend& backend_;
  std::unique_ptr<Stream> stream_;
  Buffer memory_;
};

bool within(const TensorView& part, const TensorView& whole) {
  return part.data >= whole.data && part.data < whole.data + whole.bytes();
}

TensorView at(std::byte* place, const TensorView& x) {
  return {place, x.dtype, x.shape};
}

void DeviceOperands::perform(const Operation& host) {
  static_cast<void>(cudaSetDevice(backend_.device().index));
  if (host.kind == Collective::kBarrier) {
    inner_->barrier(*stream_);
    return stream_->synchronize();
  }
  const bool scatters = host.kind == Collective::kReduceScatter;
  const TensorView& whole = scatters ? host.from : host.to;
  const TensorView& part = scatters ? host.to : host.from;
  const std::size_t offset =
      within(part, whole) ? static_cast<std::size_t>(part.data - whole.data)
                          : padded(whole.bytes());
  require(offset + part.bytes() <= memory_.bytes(), "the operands are too big");
  const TensorView device_whole = at(memory_.data(), whole);
  const TensorView device_part = at(memory_.data() + offset, part);
  Operation device = host;
  device.from = scatters ? device_whole : device_part;
  device.to = scatters ? device_part : device_whole;

  backend_.upload(*stream_, device_whole, whole.data);
  backend_.upload(*stream_, device_part, part.data);
  call(device);
  // A copy to or from memory that is not locked may hold up the whole process
  // until its turn comes.
  stream_->synchronize();
  backend_.download(*stream_, whole.data, device_whole);
  backend_.download(*stream_, part.data, device_part);
  stream_->synchronize();
}

void DeviceOperands::call(const Operation& operation) {
  switch (operation.kind) {
    case Collective::kAllGather:
      return inner_->all_gather(*stream_, operation.from, operation.to);
    case Collective::kReduceScatter:
      return inner_->reduce_scatter(*stream_, operation.from, operation.to);
    case Collective::kAllReduce:
      return inner_->all_reduce(*stream_, operation.to);
    case Collective::kBroadcast:
      return inner_->broadcast(*stream_, operation.to, operation.peer);
    case Collective::kSend:
      return inner_->send(*stream_, operation.from, operation.peer);
    case Collective::kReceive:
      return inner_->receive(*stream_, operation.to, operation.peer);
    default:
      return;
  }
}

class DeviceOperandsWorld final : public World {
 public:
  DeviceOperandsWorld(World& inner, Backend& backend, std::size_t bytes)
      : inner_(inner), backend_(backend), bytes_(bytes) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  std::unique_ptr<Communicator> make(const std::string& name,
                                     const std::vector<int>& ranks) override {
    return std::make_unique<DeviceOperands>(inner_.make(name, ranks), backend_,
                                            bytes_);
  }
  void abort(const std::string& why) noexcept override { inner_.abort(why); }
  std::optional<std::string> lost() override { return inner_.lost(); }

 private:
  World& inner_;
  Backend& backend_;
  std::size_t bytes_;
};

}  // namespace

std::unique_ptr<World> make_device_operands(World& world, Backend& backend,
                                            std::size_t bytes) {
  return std::make_unique<DeviceOperandsWorld>(world, backend, bytes);
}

}  // namespace cairn
