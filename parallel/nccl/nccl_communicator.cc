#include "parallel/nccl/nccl_communicator.h"

#include <algorithm>
#include <utility>

#include "parallel/nccl/status.h"
#include "parallel/operation/ordered_sum.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr std::size_t kScratchBytes = std::size_t{16} << 20;
constexpr std::size_t kBarrierBytes = sizeof(float);
constexpr std::size_t kSmallBytes = std::size_t{256} << 10;

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return ncclFloat32;
    case DType::kBF16:
      return ncclBfloat16;
    case DType::kF64:
      return ncclFloat64;
    case DType::kI32:
      return ncclInt32;
  }
  return ncclUint8;
}

std::size_t count_of(const TensorView& x) {
  return static_cast<std::size_t>(x.elements());
}

std::exception_ptr lost(const std::string& text) {
  return std::make_exception_ptr(Error(Code::kPeerLost, text));
}

// Calls that NCCL takes together.
class Together {
 public:
  Together() { check(ncclGroupStart(), "beginning a group of calls"); }
  ~Together() { end(); }
  Together(const Together&) = delete;
  Together& operator=(const Together&) = delete;

  ncclResult_t end() {
    return std::exchange(open_, false) ? ncclGroupEnd() : ncclSuccess;
  }

 private:
  bool open_ = true;
};

}  // namespace

NcclCommunicator::NcclCommunicator(const Group& group, ncclUniqueId id,
                                   Backend& backend, NcclWatch& watch,
                                   NcclEndings& endings,
                                   const NcclOptions& options)
    : CheckedCommunicator(group),
      backend_(backend),
      watch_(watch),
      options_(options),
      owner_(backend.make_stream(group.name)),
      scratch_(backend.memory(),
               options.in_rank_order ? kScratchBytes : kBarrierBytes,
               Owner::kWorkspace, *owner_),
      handle_(
          group, id, options.timeout, [&watch] { return watch.cause(); },
          endings) {
  connect();
  watch_.add(*this);
}

NcclCommunicator::~NcclCommunicator() { watch_.remove(*this); }

// Members that first meet in an operation wait for each other in the call. Here
// they meet in the order in which groups are made, which all share.
void NcclCommunicator::connect() {
  const Shape each{group().size()};
  const Tensor x(backend_.memory(), *owner_, Owner::kData, DType::kF32, each);
  const Tensor y(backend_.memory(), *owner_, Owner::kData, DType::kF32, each);
  load_sums(DType::kF32);
  load_sums(DType::kF64);
  native_ = static_cast<cudaStream_t>(cuda_place(*owner_).stream);
  exchange(x, 1, y);
  gather(x.view().part(group().rank, {1}), y);
  check(ncclReduceScatter(x.view().data, y.view().data, 1, ncclFloat32, ncclSum,
                          handle_.get(), native_),
        "a first reduce_scatter");
  handle_.settle("a first reduce_scatter");
  check(ncclAllReduce(x.view().data, y.view().data, 1, ncclFloat32, ncclSum,
                      handle_.get(), native_),
        "a first all_reduce");
  handle_.settle("a first all_reduce");
  check(ncclBroadcast(y.view().data, y.view().data, 1, ncclFloat32, 0,
                      handle_.get(), native_),
        "a first broadcast");
  handle_.settle("a first broadcast");
  const auto met = owner_->record();
  const auto deadline = Clock::now() + options_.timeout;
  while (!met->reached()) {
    const auto cause = watch_.cause();
    if (!cause && Clock::now() < deadline) continue;
    handle_.abort();
    throw Error(
        Code::kPeerLost,
        not_begun(
            group(), {Collective::kMake},
            cause.value_or("the members did not meet within " +
                           std::to_string(options_.timeout.count()) + " ms")));
  }
}

// A kernel is loaded when first launched. That may wait for whatever the device
// has to do, and hold up the launches of the process's other ranks: here
// nothing is under way yet that waits for another rank.
void NcclCommunicator::load_sums(DType dtype) {
  const Shape one{1};
  const Tensor x(backend_.memory(), *owner_, Owner::kData, dtype, one);
  cuda_sum_in_order(*owner_, x, 0, x, x);
}

void NcclCommunicator::enqueue(Stream& stream, const Operation& operation) {
  const Summons call = operation.call();
  const std::lock_guard lock(mutex_);
  auto begin = stream.record();
  CudaPlace place = cuda_place(stream);
  if (const auto cause = watch_.cause()) {
    return place.fail(lost(not_begun(group(), call, *cause)));
  }
  native_ = static_cast<cudaStream_t>(place.stream);
  try {
    perform(stream, operation);
  } catch (const Error& error) {
    place.fail(std::current_exception());
    fault_ = error.message();
  }
  while (!flights_.empty() && flights_.front().end->reached()) {
    flights_.pop_front();
  }
  flights_.push_back(
      {call, std::move(begin), stream.record(), std::move(place), {}});
}

// An operation begins when its stream comes to it. How long it may take after
// that is how long a peer may stay away.
std::optional<std::string> NcclCommunicator::look() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || handle_.get() == nullptr) return std::nullopt;
  if (fault_) return fault_;
  if (auto fault = handle_.fault()) {
    return "on group " + group().name + " NCCL found: " + *fault;
  }
  while (!flights_.empty() && flights_.front().end->reached()) {
    flights_.pop_front();
  }
  if (flights_.empty()) return std::nullopt;
  Flight& first = flights_.front();
  const Clock::time_point now = Clock::now();
  if (!first.seen && first.begin->reached()) first.seen = now;
  if (!first.seen || now - *first.seen < options_.timeout) return std::nullopt;
  const auto waited =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - *first.seen);
  return to_text(Unmet{group(), first.call, waited, {}});
}

// The streams fail before the device lets go of them.
void NcclCommunicator::end(const std::string& cause) {
  const std::lock_guard lock(mutex_);
  for (const Flight& flight : flights_) {
    if (flight.end->reached()) continue;
    const auto now = Clock::now();
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
        now - flight.seen.value_or(now));
    const std::string text = to_text(Unmet{group(), flight.call, waited, {}});
    flight.place.fail(
        lost(cause.starts_with(text) ? cause : text + " (" + cause + ")"));
  }
  flights_.clear();
  handle_.abort();
}

void NcclCommunicator::perform(Stream& stream, const Operation& operation) {
  const TensorView& x = operation.to;
  ncclComm_t comm = handle_.get();
  switch (operation.kind) {
    case Collective::kAllGather:
      return gather(operation.from, x);
    case Collective::kReduceScatter:
      return scatter(stream, operation.from, x);
    case Collective::kAllReduce:
      return reduce(stream, x);
    case Collective::kBroadcast:
      check(ncclBroadcast(x.data, x.data, count_of(x), type_of(x.dtype),
                          operation.peer, comm, native_),
            "broadcast");
      return handle_.settle("broadcast");
    case Collective::kSend:
      check(ncclSend(x.data, count_of(x), type_of(x.dtype), operation.peer,
                     comm, native_),
            "send");
      return handle_.settle("send");
    case Collective::kReceive:
      check(ncclRecv(x.data, count_of(x), type_of(x.dtype), operation.peer,
                     comm, native_),
            "receive");
      return handle_.settle("receive");
    default: {
      const TensorView nothing = scratch(DType::kF32, 1);
      check(ncclAllReduce(nothing.data, nothing.data, 1, ncclFloat32, ncclSum,
                          comm, native_),
            "barrier");
      return handle_.settle("barrier");
    }
  }
}

void NcclCommunicator::gather(const TensorView& from, const TensorView& to) {
  check(ncclAllGather(from.data, to.data, count_of(from), type_of(from.dtype),
                      handle_.get(), native_),
        "all_gather");
  handle_.settle("all_gather");
}

// Every other member gets its part of `from`, parts being `stride` apart, and
// `parts` gets theirs of mine.
void NcclCommunicator::exchange(const TensorView& from, std::int64_t stride,
                                const TensorView& parts) {
  const std::int64_t count = parts.elements() / group().size();
  const ncclDataType_t type = type_of(from.dtype);
  Together calls;
  for (int member = 0; member < group().size(); ++member) {
    if (is_own(member)) continue;
    const TensorView theirs = from.part(member * stride, {count});
    const TensorView mine = parts.part(member * count, {count});
    check(ncclSend(theirs.data, count_of(theirs), type, member, handle_.get(),
                   native_),
          "sending a part");
    check(ncclRecv(mine.data, count_of(mine), type, member, handle_.get(),
                   native_),
          "receiving a part");
  }
  check(calls.end(), "exchanging parts");
  handle_.settle("exchanging parts");
}

void NcclCommunicator::scatter(Stream& stream, const TensorView& from,
                               const TensorView& to) {
  if (!options_.in_rank_order) {
    check(ncclReduceScatter(from.data, to.data, count_of(to), type_of(to.dtype),
                            ncclSum, handle_.get(), native_),
          "reduce_scatter");
    return handle_.settle("reduce_scatter");
  }
  const std::int64_t part = to.elements();
  const auto most =
      static_cast<std::int64_t>(kScratchBytes / size_of(from.dtype)) /
      group().size();
  for (std::int64_t first = 0; first < part; first += most) {
    const std::int64_t count = std::min(most, part - first);
    const TensorView parts = scratch(from.dtype, count * group().size());
    exchange(from.part(first, {from.elements() - first}), part, parts);
    cuda_sum_in_order(stream, parts, group().rank,
                      from.part(group().rank * part + first, {count}),
                      to.part(first, {count}));
  }
}

// In pieces of equal parts, each summed by its member and shared. What is left,
// or small, every member sums for itself.
void NcclCommunicator::reduce(Stream& stream, const TensorView& x) {
  if (!options_.in_rank_order) {
    check(ncclAllReduce(x.data, x.data, count_of(x), type_of(x.dtype), ncclSum,
                        handle_.get(), native_),
          "all_reduce");
    return handle_.settle("all_reduce");
  }
  const int members = group().size();
  if (x.bytes() * group().ranks.size() <= kSmallBytes) {
    return reduce_whole(stream, x);
  }
  const std::int64_t most =
      static_cast<std::int64_t>(kScratchBytes / size_of(x.dtype)) / members;
  std::int64_t first = 0;
  while (x.elements() - first >= members) {
    const std::int64_t count = std::min(most, (x.elements() - first) / members);
    const TensorView piece = x.part(first, {count * members});
    const TensorView own = piece.part(group().rank * count, {count});
    scatter(stream, piece, own);
    gather(own, piece);
    first += count * members;
  }
  reduce_whole(stream, x.part(first, {x.elements() - first}));
}

void NcclCommunicator::reduce_whole(Stream& stream, const TensorView& x) {
  if (x.elements() == 0) return;
  const TensorView all = scratch(x.dtype, x.elements() * group().size());
  gather(x, all);
  cuda_sum_in_order(stream, all, group().rank, x, x);
}

}  // namespace cairn
