#include "runtime/cost.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cairn {
namespace {

std::chrono::nanoseconds rounded(double seconds) {
  return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

const Link& link_of(const CostModel& model, const std::vector<int>& ranks) {
  if (model.ranks_per_node <= 0) return model.link;
  const auto node = [&](int rank) { return rank / model.ranks_per_node; };
  const bool together = std::all_of(ranks.begin(), ranks.end(), [&](int rank) {
    return node(rank) == node(ranks.front());
  });
  return together ? model.link : model.network;
}

}  // namespace

const char* name_of(Exchange exchange) {
  static constexpr std::array<const char*, 7> kNames = {
      "all_gather", "reduce_scatter", "all_reduce", "broadcast",
      "send",       "receive",        "barrier"};
  return kNames[static_cast<std::size_t>(exchange)];
}

std::chrono::nanoseconds CostModel::kernel(const KernelOp& op,
                                           const std::string& key) const {
  if (const auto found = seconds_of.find(key); found != seconds_of.end()) {
    return rounded(found->second);
  }
  return rounded(kernel_overhead +
                 std::max(flops(op) / flops_per_second,
                          bytes_moved(op) / bytes_per_second));
}

std::chrono::nanoseconds CostModel::event() const {
  return rounded(event_overhead);
}

std::chrono::nanoseconds CostModel::copy(std::size_t bytes) const {
  return rounded(copy_latency +
                 static_cast<double>(bytes) / copy_bytes_per_second);
}

std::chrono::nanoseconds CostModel::exchange(
    Exchange kind, std::size_t bytes, const std::vector<int>& ranks) const {
  const Link& used = link_of(*this, ranks);
  const auto all = static_cast<double>(bytes);
  const auto members = static_cast<double>(ranks.size());
  const double others = all * (members - 1.0) / members;
  const double gather = used.latency + others / used.bytes_per_second;
  const double reduce = gather + all / used.sum_bytes_per_second;
  switch (kind) {
    case Exchange::kAllGather:
      return rounded(gather);
    case Exchange::kReduceScatter:
      return rounded(reduce);
    case Exchange::kAllReduce:
      return rounded(reduce + gather);
    case Exchange::kBroadcast:
    case Exchange::kSend:
    case Exchange::kReceive:
      return rounded(used.latency + all / used.bytes_per_second);
    case Exchange::kBarrier:
      break;
  }
  return rounded(used.latency);
}

}  // namespace cairn
