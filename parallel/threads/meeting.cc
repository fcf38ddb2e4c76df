#include "parallel/threads/meeting.h"

#include <algorithm>
#include <cstddef>

namespace cairn {

Meeting::Meeting(int members) : seats_(static_cast<std::size_t>(members)) {}

// Whether some member that is not here will not come.
bool Meeting::in_vain() const {
  return failed_ ||
         std::any_of(seats_.begin(), seats_.end(),
                     [](const Seat& s) { return s.gone && !s.here; });
}

bool Meeting::last_of_round() {
  if (++came_ < static_cast<int>(seats_.size())) return false;
  came_ = 0;
  ++round_;
  for (Seat& seat : seats_) seat.here = false;
  changed_.notify_all();
  return true;
}

bool Meeting::arrive(int member, const Operation& operation,
                     Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (failed_) return false;
  Seat& seat = seats_[static_cast<std::size_t>(member)];
  seat.operation = operation;
  seat.here = true;
  if (last_of_round()) return true;
  const long round = round_;
  changed_.wait_until(lock, deadline,
                      [&] { return round_ != round || in_vain(); });
  if (round_ != round) return true;
  failed_ = true;
  changed_.notify_all();
  return false;
}

const Operation& Meeting::brought(int member) const {
  return seats_[static_cast<std::size_t>(member)].operation;
}

void Meeting::pass() {
  std::unique_lock lock(mutex_);
  if (last_of_round()) return;
  const long round = round_;
  changed_.wait(lock, [&] { return round_ != round; });
}

void Meeting::fail() {
  const std::lock_guard lock(mutex_);
  failed_ = true;
  changed_.notify_all();
}

void Meeting::leave(int member) {
  const std::lock_guard lock(mutex_);
  seats_[static_cast<std::size_t>(member)].gone = true;
  changed_.notify_all();
}

std::vector<int> Meeting::missing(int member) const {
  const std::lock_guard lock(mutex_);
  std::vector<int> members;
  for (int other = 0; other < static_cast<int>(seats_.size()); ++other) {
    const bool here = seats_[static_cast<std::size_t>(other)].here;
    if (other != member && !here) members.push_back(other);
  }
  return members;
}

}  // namespace cairn
