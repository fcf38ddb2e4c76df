#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "parallel/mpi/link.h"
#include "parallel/mpi/mpi_communicator.h"
#include "parallel/mpi/session.h"
#include "parallel/worlds.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// The world's own tag: groups are made on it. What the standard grants at least
// is the end of the others.
constexpr int kWorldTag = 0;
constexpr int kLastTag = 32767;

// Equal for equal groups (FNV-1a).
std::uint64_t hash_of(const Group& group) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](std::uint64_t value) {
    hash = (hash ^ value) * 0x100000001b3;
  };
  for (const char c : group.name) add(static_cast<unsigned char>(c));
  add(group.name.size());
  for (const int rank : group.ranks) add(static_cast<std::uint64_t>(rank));
  return hash;
}

std::vector<int> first_numbers(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

class MpiWorld final : public World {
 public:
  explicit MpiWorld(const WorldOptions& options)
      : link_(std::make_unique<MpiLink>(options)) {}
  ~MpiWorld() override;

  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const override { return link_->rank(); }
  int size() const override { return link_->size(); }
  std::unique_ptr<Communicator> make(const std::string& name,
                                     const std::vector<int>& ranks) override;
  void abort(const std::string& why) noexcept override;
  std::optional<std::string> lost() override { return link_->lost(); }

 private:
  int agree_on_tag(const Group& group);
  void leave_together();

  MpiSession session_;
  std::unique_ptr<MpiLink> link_;
  int next_tag_ = kWorldTag + 1;
};

// Members propose tags that they have not used; the highest is new to all.
int MpiWorld::agree_on_tag(const Group& group) {
  WaitSlot slot(link_->board(), link_->place(), group.name);
  const Summons own{Collective::kMake, DType::kF32, next_tag_, hash_of(group)};
  const Waiting waiting(slot, {own.kind});
  const auto calls =
      link_->exchange(group, kWorldTag, own, first_numbers(group.size()));
  int tag = 0;
  for (const Brought& each : calls) {
    tag = std::max(tag, each.call.root);
    if (each.call.kind == own.kind && each.call.bytes == own.bytes) continue;
    const auto member = static_cast<std::size_t>(each.member);
    throw Error(Code::kBadArgument,
                "rank " + std::to_string(rank()) + " makes group " +
                    group.name + " while rank " +
                    std::to_string(group.ranks[member]) +
                    " makes another or leaves; all members make the same "
                    "groups in the same order");
  }
  require(tag <= kLastTag, "a run makes at most 32767 groups");
  next_tag_ = tag + 1;
  return tag;
}

std::unique_ptr<Communicator> MpiWorld::make(const std::string& name,
                                             const std::vector<int>& ranks) {
  const Group group = make_group(rank(), size(), name, ranks);
  if (const auto cause = link_->board().failure()) {
    throw Error(Code::kPeerLost, not_begun(group, {Collective::kMake}, *cause));
  }
  const int tag = agree_on_tag(group);
  return std::make_unique<MpiCommunicator>(*link_, group, tag);
}

void MpiWorld::abort(const std::string& why) noexcept {
  try {
    link_->fail("rank " + std::to_string(rank()) + " gave up: " + why);
  } catch (...) {
    link_->board().fail("");  // no memory is left for more
  }
}

// MPI ends only when every rank ends it, so none begins before all have come.
void MpiWorld::leave_together() {
  const Group all{"world", first_numbers(size()), rank()};
  WaitSlot slot(link_->board(), link_->place(), all.name);
  const Summons call{Collective::kBarrier};
  const Waiting waiting(slot, call);
  link_->exchange(all, kWorldTag, call, all.ranks);
}

MpiWorld::~MpiWorld() {
  try {
    if (!link_->board().failed()) leave_together();
  } catch (const std::exception&) {
    // The board tells of it.
  }
  if (link_->board().failed()) session_.abandon();
}

}  // namespace

std::unique_ptr<World> make_mpi_world(const WorldOptions& options) {
  return std::make_unique<MpiWorld>(options);
}

}  // namespace cairn
