#include "parallel/threads/hub.h"

#include <algorithm>

#include "runtime/error.h"

namespace cairn {
namespace {

std::vector<std::max_align_t> board_memory(int places) {
  const std::size_t unit = sizeof(std::max_align_t);
  std::vector<std::max_align_t> memory((WaitBoard::bytes(places) + unit - 1) /
                                       unit);
  WaitBoard::make(memory.data(), places);
  return memory;
}

}  // namespace

Room::Room(int members) : members_(members), all_(members) {
  for (int pair = 0; pair < members * members; ++pair) {
    channels_.push_back(std::make_unique<Meeting>(2));
  }
}

Meeting& Room::channel(int from, int to) {
  const int pair = from * members_ + to;
  return *channels_[static_cast<std::size_t>(pair)];
}

void Room::fail() {
  all_.fail();
  for (const auto& each : channels_) each->fail();
}

void Room::leave(int member) {
  all_.leave(member);
  for (int other = 0; other < members_; ++other) {
    channel(member, other).leave(0);
    channel(other, member).leave(1);
  }
}

Hub::Hub(int size, const WorldOptions& options)
    : size_(size),
      timeout_(options.timeout),
      memory_(board_memory(size)),
      board_(memory_.data(), size) {}

std::shared_ptr<Room> Hub::open(const Group& group) {
  auto room = std::make_shared<Room>(group.size());
  for (int member = 0; member < group.size(); ++member) {
    if (board_.left(group.ranks[static_cast<std::size_t>(member)])) {
      room->leave(member);
    }
  }
  if (board_.failed()) room->fail();
  std::erase_if(rooms_, [](const Open& each) { return each.room.expired(); });
  rooms_.push_back({room, group.ranks});
  return room;
}

std::shared_ptr<Room> Hub::room(const Group& group) {
  const std::lock_guard lock(mutex_);
  const auto own = static_cast<std::size_t>(group.rank);
  std::list<Opening>& openings = openings_[{group.name, group.ranks}];
  auto opening =
      std::find_if(openings.begin(), openings.end(),
                   [own](const Opening& each) { return !each.here[own]; });
  if (opening == openings.end()) {
    openings.push_back({open(group), std::vector<bool>(group.ranks.size())});
    opening = std::prev(openings.end());
  }
  opening->here[own] = true;
  std::shared_ptr<Room> room = opening->room;
  if (std::count(opening->here.begin(), opening->here.end(), false) == 0) {
    openings.erase(opening);
  }
  return room;
}

void Hub::fail(const std::string& cause) {
  board_.fail(cause);
  const std::lock_guard lock(mutex_);
  for (const Open& each : rooms_) {
    if (const auto room = each.room.lock()) room->fail();
  }
}

void Hub::leave(int rank) {
  board_.leave(rank);
  const std::lock_guard lock(mutex_);
  for (const Open& each : rooms_) {
    const auto room = each.room.lock();
    const auto member = std::find(each.ranks.begin(), each.ranks.end(), rank);
    if (room == nullptr || member == each.ranks.end()) continue;
    room->leave(static_cast<int>(member - each.ranks.begin()));
  }
}

}  // namespace cairn
