#include "runtime/cost.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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

// A product is cut into tiles, each computed by one processor, and a sum may be
// cut too where there are few. Larger tiles reach more of the rate.
struct Tile {
  double rows;
  double columns;
  double share;  // of the rate
};
constexpr std::array<Tile, 6> kTiles = {{{256, 128, 1.0},
                                         {128, 256, 1.0},
                                         {128, 128, 0.9},
                                         {64, 256, 0.8},
                                         {128, 64, 0.7},
                                         {64, 64, 0.5}}};
constexpr double kMostCuts = 16;
constexpr double kLeastDepth = 512;  // of a cut sum

// Tiles are dealt out wave by wave. Libraries cut the last wave's finer, so
// that only part of what it leaves idle is lost.
double waves_of(double waves) {
  constexpr double kLost = 0.3;
  if (waves <= 1) return 1;
  return waves + kLost * (std::ceil(waves) - waves);
}

double product_seconds(const CostModel& model, const TypeRates& rates,
                       const OpProfile& profile) {
  const double m = profile.sizes[0];
  const double n = profile.sizes[1];
  const double k = profile.sizes[2];
  const double depth = (k + rates.half_depth) / k;
  const double whole = profile.flops * depth / rates.flops_per_second;
  if (model.processors <= 0) return whole;
  const double repeats = profile.flops / (2 * m * n * k);  // a head has three
  double least = std::numeric_limits<double>::infinity();
  for (const Tile& tile : kTiles) {
    const double tiles = std::ceil(m / tile.rows) * std::ceil(n / tile.columns);
    for (double cuts = 1; cuts <= kMostCuts; cuts *= 2) {
      if (cuts > 1 && k / cuts < kLeastDepth) break;
      const double waves = waves_of(tiles * cuts / model.processors);
      const double work = waves * model.processors * tile.rows * tile.columns *
                          2 * (k / cuts + rates.half_depth);
      const double sums =
          cuts > 1 ? 8 * m * n * cuts / model.bytes_per_second : 0;
      least =
          std::min(least, work / (rates.flops_per_second * tile.share) + sums);
    }
  }
  return repeats * least;
}

double attention_seconds(const AttentionRate& rate, const OpProfile& profile) {
  const double sequence = profile.sizes[0];
  const double head = profile.sizes[2];
  return profile.flops / rate.flops_per_second *
         (1 + rate.half_sequence / sequence) * (1 + rate.half_head / head);
}

// A measured operation as seen from another: how far its sizes are, and the
// logarithm of how much longer it took than by rates.
struct Neighbour {
  double distance;
  double excess;
};

// The square of the distance, in doublings.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double doublings =
        std::log2(std::max(a[i], 1.0)) - std::log2(std::max(b[i], 1.0));
    sum += doublings * doublings;
  }
  return sum;
}

// Of the nearest few, weighed by distance (Shepard, 1968): at a measured place
// it is what was measured there, elsewhere between what was around it.
double mean_of(std::vector<Neighbour> all) {
  constexpr std::size_t kNearest = 6;
  constexpr double kSmall = 1e-9;
  const auto nearer = [](const Neighbour& a, const Neighbour& b) {
    return a.distance < b.distance;
  };
  std::sort(all.begin(), all.end(), nearer);
  if (all.size() > kNearest) all.resize(kNearest);
  double sum = 0;
  double weights = 0;
  for (const Neighbour& one : all) {
    const double weight =
        1 / ((one.distance + kSmall) * (one.distance + kSmall));
    sum += weight * one.excess;
    weights += weight;
  }
  return weights > 0 ? sum / weights : 0;
}

std::string verb_of(const std::string& family) {
  return family.substr(0, family.find(' '));
}

CostModel hopper() {
  CostModel costs;
  costs.f32 = {47e12, 20, {24e12, 60, 0}, {16e12, 60, 0}, {16e12, 60, 0}};
  // Attention goes back in an order that is always the same, or fast.
  costs.bf16 = {
      735e12, 150, {1000e12, 600, 73}, {260e12, 1100, 20}, {714e12, 956, 38}};
  costs.processors = 132;
  costs.bytes_per_second = 3.7e12;
  costs.kernel_overhead = 5.5e-6;
  costs.event_overhead = 0.5e-6;
  costs.kernel_issue = 5e-6;
  costs.event_issue = 1e-6;
  costs.copy_latency = 3e-6;
  costs.upload_bytes_per_second = 55.5e9;
  costs.download_bytes_per_second = 55.4e9;
  costs.link = {15e-6, 300e9, 1200e9};
  return costs;
}

}  // namespace

std::optional<CostModel> shipped_costs(const std::string& machine) {
  if (machine == "cpu") return CostModel{};
  if (machine != "h100" && machine != "h200") return std::nullopt;
  CostModel costs = hopper();
  const bool newer = machine == "h200";
  costs.source = std::string("rates of an NVIDIA ") +
                 (newer ? "H200" : "H100") + ", as shipped";
  if (!newer) costs.bytes_per_second = 2.75e12;
  return costs;
}

const char* name_of(Exchange exchange) {
  static constexpr std::array<const char*, 7> kNames = {
      "all_gather", "reduce_scatter", "all_reduce", "broadcast",
      "send",       "receive",        "barrier"};
  return kNames[static_cast<std::size_t>(exchange)];
}

CostModel CostModel::in_mode(bool deterministic) const {
  CostModel costs = *this;
  costs.measured_fast.clear();
  if (deterministic) return costs;
  if (!measured_fast.empty()) costs.measured = measured_fast;
  for (TypeRates* rates : {&costs.f32, &costs.bf16}) {
    rates->backward = rates->backward_fast;
  }
  return costs;
}

std::chrono::nanoseconds CostModel::kernel(const KernelOp& op,
                                           const std::string& key) const {
  if (const auto found = measured.find(key); found != measured.end()) {
    return rounded(found->second.seconds);
  }
  return rounded(estimate(profile_of(op), key));
}

double CostModel::by_rates(const OpProfile& profile) const {
  const double passes = profile.bytes / bytes_per_second;
  const TypeRates& rates = profile.type == DType::kBF16 ? bf16 : f32;
  double products = 0;
  if (profile.kind == OpClass::kProduct) {
    products = product_seconds(*this, rates, profile);
  } else if (profile.kind == OpClass::kAttentionForward) {
    products = attention_seconds(rates.forward, profile);
  } else if (profile.kind == OpClass::kAttentionBackward) {
    products = attention_seconds(rates.backward, profile);
  }
  return kernel_overhead + std::max(products, passes);
}

double CostModel::estimate(const OpProfile& profile,
                           const std::string& key) const {
  const double alone = by_rates(profile);
  if (measured.empty()) return alone;
  const std::string family = family_of(key);
  std::vector<Neighbour> kin;
  std::vector<Neighbour> alike;
  for (const auto& [other, op] : measured) {
    if (op.profile.kind != profile.kind || op.profile.type != profile.type ||
        op.profile.sizes.size() != profile.sizes.size() || op.seconds <= 0) {
      continue;
    }
    const Neighbour neighbour{
        distance(profile.sizes, op.profile.sizes),
        std::log(op.seconds / std::max(by_rates(op.profile), 1e-12))};
    const std::string theirs = family_of(other);
    if (theirs == family) kin.push_back(neighbour);
    if (verb_of(theirs) == verb_of(family)) alike.push_back(neighbour);
  }
  return alone * std::exp(mean_of(kin.empty() ? alike : kin));
}

std::chrono::nanoseconds CostModel::event() const {
  return rounded(event_overhead);
}

std::chrono::nanoseconds CostModel::issue_of_kernel() const {
  return rounded(kernel_issue);
}

std::chrono::nanoseconds CostModel::issue_of_event() const {
  return rounded(event_issue);
}

std::chrono::nanoseconds CostModel::upload(std::size_t bytes) const {
  return rounded(copy_latency +
                 static_cast<double>(bytes) / upload_bytes_per_second);
}

std::chrono::nanoseconds CostModel::download(std::size_t bytes) const {
  return rounded(copy_latency +
                 static_cast<double>(bytes) / download_bytes_per_second);
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
