// A Meeting is where members that are threads of one process come together to
// read each other's operands: all arrive, each does its part, all pass.
//
// Only an arrival can be in vain. A meeting that has failed never becomes
// complete, so that nobody's operands are read once it gave up; one that is
// complete is carried through whatever fails meanwhile.

#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "parallel/operation/operation.h"

namespace cairn {

class Meeting {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Meeting(int members);

  // Brings `operation` and waits until every member has brought one. False if
  // that was not so by `deadline`, or the meeting failed, or a member left.
  bool arrive(int member, const Operation& operation,
              Clock::time_point deadline);

  // What a member brought; from arrive to pass.
  const Operation& brought(int member) const;

  // Returns once every member has called it.
  void pass();

  // No arrival succeeds from now on, and those that wait end.
  void fail();

  // The member brings nothing more.
  void leave(int member);

  // Who but `member` had not arrived when the meeting failed.
  std::vector<int> missing(int member) const;

 private:
  struct Seat {
    Operation operation;
    bool here = false;
    bool gone = false;
  };

  bool in_vain() const;
  bool last_of_round();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Seat> seats_;  // all below guarded by mutex_
  int came_ = 0;
  long round_ = 0;  // arrivals and passes that were completed
  bool failed_ = false;
};

}  // namespace cairn
