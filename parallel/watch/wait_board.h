// A WaitBoard shows what the ranks of one host are doing: whether they are
// alive, what each waits for, and the first failure of the run.
//
// It is a view of memory that its maker owns and that may be shared between
// processes. Every rank has a place and writes to that alone; everybody reads.
// All of it is atomic: any thread of any process may call anything.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "parallel/operation/operation.h"
#include "parallel/watch/process_mark.h"

namespace cairn {

class WaitBoard {
 public:
  static constexpr int kSlots = 64;  // communicators of one rank at a time

  static std::size_t bytes(int places);
  // Makes an empty board in `memory`, aligned as for std::max_align_t.
  static void make(void* memory, int places);
  // Looks at one that was made.
  WaitBoard(void* memory, int places);

  int places() const { return places_; }

  // A rank takes its place, shows that it lives, and goes as is its right.
  void enter(int place, int rank, const ProcessMark& mark);
  void beat(int place);
  void leave(int place);

  bool present(int place) const;  // has entered and not left
  bool left(int place) const;
  int rank(int place) const;
  ProcessMark mark(int place) const;
  std::uint64_t beats(int place) const;

  // What all ranks but the one at `except` do: "rank 0 was computing; rank 1
  // was waiting in barrier on group data".
  std::string others(int except) const;

  // Keeps `text` as the first failure of the run; false if there was one. Who
  // has more to do before others learn of it claims it, then tells it.
  bool fail(const std::string& text);
  bool claim_failure();
  void tell_failure(const std::string& text);

  // failure() waits, not for long, for one that was claimed and is not told.
  bool failed() const;
  std::optional<std::string> failure() const;

 private:
  friend class WaitSlot;
  struct Head;
  struct Place;
  struct Slot;

  Place& at(int place) const;
  std::string doing(const Place& place) const;

  Head* head_;
  Place* all_;
  int places_;
};

// Shows on the board what one communicator of a rank is used for.
class WaitSlot {
 public:
  // Throws kBadArgument when the rank has kSlots others.
  WaitSlot(WaitBoard& board, int place, const std::string& group);
  ~WaitSlot();

  WaitSlot(const WaitSlot&) = delete;
  WaitSlot& operator=(const WaitSlot&) = delete;

  void begin(const Summons& call);
  void end();

 private:
  WaitBoard::Slot* slot_ = nullptr;
};

// Shows a call on a slot while it lives.
class Waiting {
 public:
  Waiting(WaitSlot& slot, const Summons& call) : slot_(slot) {
    slot_.begin(call);
  }
  ~Waiting() { slot_.end(); }

  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  WaitSlot& slot_;
};

}  // namespace cairn
