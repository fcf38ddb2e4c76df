#include "parallel/staged/staged_communicator.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace cairn {
namespace {

constexpr std::size_t kStageBytes = std::size_t{4} << 20;

// A device's stream as whoever works on host memory sees it: a queue for the
// work of a host thread.
class HostSide final : public Stream {
 public:
  explicit HostSide(Stream& stream) : stream_(stream) {}

  Device device() const override { return {Device::Kind::kCpu, 0}; }
  const std::string& name() const override { return stream_.name(); }
  std::shared_ptr<Event> record() override { return stream_.record(); }
  void wait(std::shared_ptr<Event> event) override {
    stream_.wait(std::move(event));
  }
  void enqueue_host(std::function<void()> work) override {
    stream_.enqueue_host(std::move(work));
  }
  void synchronize() override { stream_.synchronize(); }

 private:
  Stream& stream_;
};

}  // namespace

StagedCommunicator::StagedCommunicator(std::unique_ptr<Communicator> inner,
                                       Backend& backend, Stream& owner)
    : CheckedCommunicator(inner->group()),
      inner_(std::move(inner)),
      backend_(backend),
      stage_(backend.host_memory(), kStageBytes, Owner::kData, owner) {}

// Members whose operands agree cut them into the same pieces. What is empty is
// one piece too: all have to come.
void StagedCommunicator::enqueue(Stream& stream, const Operation& operation) {
  if (operation.kind == Collective::kBarrier) {
    HostSide host(stream);
    return inner_->barrier(host);
  }
  const bool gathers = operation.kind == Collective::kAllGather;
  const bool scatters = operation.kind == Collective::kReduceScatter;
  const TensorView& part = scatters ? operation.to : operation.from;
  const std::size_t members =
      gathers || scatters ? group().ranks.size() : std::size_t{1};
  const std::int64_t most = std::max<std::int64_t>(
      1,
      static_cast<std::int64_t>(kStageBytes / members / size_of(part.dtype)));
  std::int64_t first = 0;
  do {
    const std::int64_t count = std::min(most, part.elements() - first);
    if (gathers) {
      gather(stream, operation, first, count);
    } else if (scatters) {
      scatter(stream, operation, first, count);
    } else {
      move(stream, operation, first, count);
    }
    first += count;
  } while (first < part.elements());
}

void StagedCommunicator::gather(Stream& stream, const Operation& whole,
                                std::int64_t first, std::int64_t count) {
  const std::int64_t part = whole.from.elements();
  const TensorView all = staged(whole.from.dtype, count * group().size());
  const TensorView own = all.part(group().rank * count, {count});
  backend_.download(stream, own.data, whole.from.part(first, {count}));
  HostSide host(stream);
  inner_->all_gather(host, own, all);
  for (int member = 0; member < group().size(); ++member) {
    backend_.upload(stream, whole.to.part(member * part + first, {count}),
                    all.part(member * count, {count}).data);
  }
}

void StagedCommunicator::scatter(Stream& stream, const Operation& whole,
                                 std::int64_t first, std::int64_t count) {
  const std::int64_t part = whole.to.elements();
  const TensorView all = staged(whole.from.dtype, count * group().size());
  for (int member = 0; member < group().size(); ++member) {
    backend_.download(stream, all.part(member * count, {count}).data,
                      whole.from.part(member * part + first, {count}));
  }
  const TensorView own = all.part(group().rank * count, {count});
  HostSide host(stream);
  inner_->reduce_scatter(host, all, own);
  backend_.upload(stream, whole.to.part(first, {count}), own.data);
}

// What goes out and comes in is the same piece of one operand.
void StagedCommunicator::move(Stream& stream, const Operation& whole,
                              std::int64_t first, std::int64_t count) {
  const TensorView x = whole.to.part(first, {count});
  const TensorView on_host = staged(x.dtype, count);
  const bool root = whole.peer == group().rank;
  const bool brings = whole.kind == Collective::kAllReduce ||
                      whole.kind == Collective::kSend ||
                      (whole.kind == Collective::kBroadcast && root);
  const bool takes = whole.kind == Collective::kAllReduce ||
                     whole.kind == Collective::kReceive ||
                     (whole.kind == Collective::kBroadcast && !root);
  if (brings) backend_.download(stream, on_host.data, x);
  HostSide host(stream);
  switch (whole.kind) {
    case Collective::kBroadcast:
      inner_->broadcast(host, on_host, whole.peer);
      break;
    case Collective::kSend:
      inner_->send(host, on_host, whole.peer);
      break;
    case Collective::kReceive:
      inner_->receive(host, on_host, whole.peer);
      break;
    default:
      inner_->all_reduce(host, on_host);
  }
  if (takes) backend_.upload(stream, x, on_host.data);
}

}  // namespace cairn
