// A Hub is what the ranks of a world of threads share: the groups' meetings and
// the board that shows who waits for what. It goes with the last rank.
//
// Threads: any rank's threads may call anything.

#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "parallel/threads/meeting.h"
#include "parallel/watch/wait_board.h"

namespace cairn {

// The meetings of one group: one of all members, and one for each channel from
// a member to another.
class Room {
 public:
  explicit Room(int members);

  Meeting& all() { return all_; }
  Meeting& channel(int from, int to);
  void fail();
  void leave(int member);

 private:
  int members_;
  Meeting all_;
  std::vector<std::unique_ptr<Meeting>> channels_;
};

class Hub {
 public:
  Hub(int size, const WorldOptions& options);

  int size() const { return size_; }
  std::chrono::milliseconds timeout() const { return timeout_; }
  WaitBoard& board() { return board_; }

  // The room of the group that each of its members asks for in turn. The n-th
  // time a member asks, it gets the n-th room of that name and those ranks.
  std::shared_ptr<Room> room(const Group& group);

  // Ends every wait in every room, for good. The first cause stays.
  void fail(const std::string& cause);

  // `rank` comes to no meeting any more.
  void leave(int rank);

 private:
  // A room in the making: `here` are the members that have asked for it.
  struct Opening {
    std::shared_ptr<Room> room;
    std::vector<bool> here;
  };
  using Key = std::pair<std::string, std::vector<int>>;
  struct Open {
    std::weak_ptr<Room> room;
    std::vector<int> ranks;
  };

  std::shared_ptr<Room> open(const Group& group);

  int size_;
  std::chrono::milliseconds timeout_;
  std::vector<std::max_align_t> memory_;  // of the board
  WaitBoard board_;
  std::mutex mutex_;
  std::map<Key, std::list<Opening>> openings_;  // guarded by mutex_
  std::vector<Open> rooms_;                     // guarded by mutex_
};

}  // namespace cairn
