#include "launcher/run_devices.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "runtime/backend.h"
#include "runtime/device_peaks.h"

namespace cairn {
namespace {

// A RankCard as bytes of one size. Longer texts are cut.
struct Packed {
  std::array<char, 96> name{};
  std::array<char, 64> uuid{};
  std::array<char, 96> host{};
};

template <std::size_t size>
void put(std::array<char, size>& to, const std::string& text) {
  text.copy(to.data(), size - 1);
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

RankCard unpack(const Packed& packed) {
  return {{packed.name.data(), packed.uuid.data()}, packed.host.data()};
}

std::vector<RankCard> share(World& world, const RankCard& mine) {
  std::vector<Packed> all(static_cast<std::size_t>(world.size()));
  Packed& own = all[static_cast<std::size_t>(world.rank())];
  put(own.name, mine.card.name);
  put(own.uuid, mine.card.uuid);
  put(own.host, mine.host);
  std::vector<int> everyone(all.size());
  std::iota(everyone.begin(), everyone.end(), 0);
  const auto words = static_cast<std::int64_t>(sizeof(Packed) / 4);
  const auto backend = make_backend("cpu", {.threads = 1});
  const auto stream = backend->make_stream("devices");
  const auto group = world.make("devices", everyone);
  const TensorView each{reinterpret_cast<std::byte*>(all.data()),
                        DType::kI32,
                        {words * world.size()}};
  group->all_gather(*stream, each.part(words * world.rank(), {words}), each);
  stream->synchronize();
  std::vector<RankCard> ranks;
  ranks.reserve(all.size());
  for (const Packed& packed : all) ranks.push_back(unpack(packed));
  return ranks;
}

}  // namespace

RunDevices run_devices(const std::vector<RankCard>& ranks, int rank,
                       DType dtype) {
  RunDevices found;
  found.peak_flops = 0;
  for (const RankCard& each : ranks) {
    const auto same = [&](const Card& card) {
      return card.uuid == each.card.uuid;
    };
    if (std::any_of(found.cards.begin(), found.cards.end(), same)) continue;
    found.cards.push_back(each.card);
    if (each.host == ranks[static_cast<std::size_t>(rank)].host) {
      found.here.push_back(each.card.uuid);
    }
    const auto peak = peak_flops(each.card.name, dtype);
    if (found.peak_flops && peak) *found.peak_flops += *peak;
    if (!peak) {
      found.peak_flops.reset();
      found.unknown = each.card.name;
    }
  }
  return found;
}

RunDevices find_run_devices(World& world, const Device& device, DType dtype) {
  const RankCard mine{card_of(device), host_name()};
  if (world.size() == 1) return run_devices({mine}, 0, dtype);
  return run_devices(share(world, mine), world.rank(), dtype);
}

}  // namespace cairn
