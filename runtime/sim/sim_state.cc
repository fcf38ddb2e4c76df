#include "runtime/sim/sim_state.h"

#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

std::uint64_t address_of(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address);
}

Touch touch_of(Access access) {
  return access == Access::kRead ? Touch::kRead : Touch::kWrite;
}

// The bytes that an exchange is priced by, and that its ends must agree on.
std::size_t bytes_of(const SimPart& part) {
  switch (part.kind) {
    case Exchange::kAllGather:
      return part.to.bytes();
    case Exchange::kBarrier:
      return 0;
    default:
      return part.from ? part.from.bytes() : part.to.bytes();
  }
}

// What the host takes to enqueue an operation.
Nanoseconds issue_of(const CostModel& costs, SimOp::Kind kind) {
  switch (kind) {
    case SimOp::Kind::kWork:
    case SimOp::Kind::kExchange:
      return costs.issue_of_kernel();
    case SimOp::Kind::kRecord:
    case SimOp::Kind::kWait:
      return costs.issue_of_event();
    case SimOp::Kind::kMemory:
      break;
  }
  return Nanoseconds{0};
}

}  // namespace

int SimState::name_of(const std::string& text) {
  const auto [it, fresh] =
      name_numbers.emplace(text, static_cast<int>(names.size()));
  if (fresh) names.push_back(text);
  return it->second;
}

std::string SimState::text_of(const SimLog& log) {
  return "rank " + std::to_string(log.rank) + ", stream " + log.name;
}

SimLog& SimState::make_log(int rank, const std::string& name) {
  logs.push_back(std::make_unique<SimLog>());
  SimLog& log = *logs.back();
  log.rank = rank;
  log.name = name;
  log.now.stream = static_cast<int>(logs.size()) - 1;
  return log;
}

SimOp& SimState::push(SimLog& log, SimOp::Kind kind, int name) {
  SimOp op;
  op.kind = kind;
  op.name = name;
  SimRank& mine = rank(log.rank);
  op.syncs = static_cast<std::uint32_t>(mine.syncs.size());
  mine.issued += issue_of(costs, kind);
  op.issued = mine.issued;
  log.ops.push_back(std::move(op));
  return log.ops.back();
}

void SimState::touch(SimLog& log, const TensorView& view, Touch touch) {
  log.touches.push_back({{address_of(view.data), view.bytes()}, touch});
  ++log.ops.back().touches;
}

int SimState::kernel_of(const KernelOp& op) {
  std::string key = key_of(op);
  const auto [it, fresh] =
      kernel_numbers.emplace(key, static_cast<int>(kernels.size()));
  if (fresh) {
    kernel_times.push_back(costs.kernel(op, key));
    kernels.push_back({std::move(key), op, 0});
  }
  ++kernels[static_cast<std::size_t>(it->second)].calls;
  return it->second;
}

void SimState::push_kernel(SimLog& log, const KernelOp& op,
                           const TensorView& workspace) {
  const auto number = static_cast<std::size_t>(kernel_of(op));
  push(log, SimOp::Kind::kWork, name_of(cairn::name_of(op))).duration =
      kernel_times[number];
  visit_operands(op, [&](const ConstOperand& operand) {
    touch(log, operand.view, touch_of(operand.access));
  });
  if (workspace) touch(log, workspace, Touch::kWrite);
}

void SimState::push_copy(SimLog& log, const TensorView& device,
                         const void* host, bool upload) {
  push(log, SimOp::Kind::kWork, name_of(upload ? "upload" : "download"))
      .duration =
      upload ? costs.upload(device.bytes()) : costs.download(device.bytes());
  touch(log, device, upload ? Touch::kWrite : Touch::kRead);
  log.touches.push_back({{address_of(host), device.bytes()},
                         upload ? Touch::kRead : Touch::kWrite,
                         /*host=*/true});
  ++log.ops.back().touches;
}

void SimState::push_memory(SimLog& log, const SimTouch& touch) {
  push(log, SimOp::Kind::kMemory,
       name_of(touch.touch == Touch::kFree ? "free" : "allocate"))
      .touches = 1;
  log.touches.push_back(touch);
}

void SimState::push_part(SimLog& log, const SimPart& part) {
  SimGroup& group = groups.at(static_cast<std::size_t>(part.group));
  SimLog*& used = group.streams.at(static_cast<std::size_t>(part.rank));
  if (used == nullptr) used = &log;
  if (used != &log) {
    throw Error(Code::kBadArgument,
                "group " + group.name + " is used on two streams of rank " +
                    std::to_string(log.rank) + ", " + used->name + " and " +
                    log.name + "; a communicator belongs to one");
  }
  const int name =
      name_of(std::string(cairn::name_of(part.kind)) + " " + group.name);
  push(log, SimOp::Kind::kExchange, name).index =
      static_cast<std::uint32_t>(log.parts.size());
  log.parts.push_back(
      {part.kind, part.group, part.rank, part.peer, bytes_of(part)});
  if (part.from) touch(log, part.from, Touch::kRead);
  if (part.to) touch(log, part.to, Touch::kWrite);
}

std::shared_ptr<SimEvent> SimState::push_record(SimLog& log,
                                                Nanoseconds duration) {
  SimOp& op = push(log, SimOp::Kind::kRecord, name_of("record"));
  op.duration = duration;
  op.event = std::make_shared<SimEvent>(*this, log);
  return op.event;
}

void SimState::push_wait(SimLog& log, std::shared_ptr<SimEvent> event) {
  SimRank& mine = rank(log.rank);
  const auto number = static_cast<int>(mine.waits.size());
  mine.waits.push_back({text_of(log), text_of(event->log()), false});
  if (mine.skipped.contains(number)) return;
  SimOp& op = push(log, SimOp::Kind::kWait, name_of("wait"));
  op.index = static_cast<std::uint32_t>(number);
  op.duration = costs.event();
  op.event = std::move(event);
}

void SimState::synchronize(int number, std::shared_ptr<SimEvent> event) {
  SimRank& mine = rank(number);
  mine.syncs.push_back({std::move(event), mine.issued, {}, Nanoseconds{0}});
  mine.issued = Nanoseconds{0};
  if (solves_when_synchronized) solve(*this);
}

}  // namespace cairn
