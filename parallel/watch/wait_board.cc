#include "parallel/watch/wait_board.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <new>
#include <thread>

#include "runtime/error.h"

namespace cairn {
namespace {

enum : std::uint32_t { kAbsent, kPresent, kLeft };
enum : std::uint32_t { kRunning, kClaimed, kTold };

// Telling takes no time, unless who claimed the failure was killed at it.
constexpr std::chrono::seconds kPatience{1};

// The kind and the bytes of a call in one word, so that nobody sees one of
// each.
constexpr int kKindShift = 56;

std::uint64_t packed(const Summons& call) {
  return std::uint64_t{static_cast<std::uint8_t>(call.kind)} << kKindShift |
         call.bytes;
}

Summons unpacked(std::uint64_t word) {
  Summons call;
  call.kind = static_cast<Collective>(word >> kKindShift);
  call.bytes = word & ((std::uint64_t{1} << kKindShift) - 1);
  return call;
}

template <std::size_t kLength>
void write_text(std::array<std::atomic<char>, kLength>& to,
                const std::string& text) {
  const std::size_t length = std::min(text.size(), kLength - 1);
  for (std::size_t i = 0; i < length; ++i) {
    to[i].store(text[i], std::memory_order_relaxed);
  }
  to[length].store('\0', std::memory_order_relaxed);
}

template <std::size_t kLength>
std::string read_text(const std::array<std::atomic<char>, kLength>& from) {
  std::string text;
  for (const std::atomic<char>& each : from) {
    const char c = each.load(std::memory_order_relaxed);
    if (c == '\0') break;
    text += c;
  }
  return text;
}

static_assert(std::atomic<std::uint64_t>::is_always_lock_free,
              "atomics must work between processes");

}  // namespace

struct alignas(std::uint64_t) WaitBoard::Head {
  std::atomic<std::uint32_t> state{kRunning};
  std::array<std::atomic<char>, 4096> failure{};
};

struct WaitBoard::Slot {
  std::atomic<std::uint32_t> taken{0};
  std::atomic<std::uint64_t> call{0};
  std::array<std::atomic<char>, 64> group{};
};

struct WaitBoard::Place {
  std::atomic<std::uint32_t> presence{kAbsent};
  std::atomic<std::int32_t> rank{0};
  std::atomic<std::int32_t> pid{0};
  std::atomic<std::uint64_t> started{0};
  std::atomic<std::uint64_t> beats{0};
  std::array<Slot, kSlots> slots{};
};

std::size_t WaitBoard::bytes(int places) {
  static_assert(sizeof(Head) % alignof(Place) == 0);
  return sizeof(Head) + static_cast<std::size_t>(places) * sizeof(Place);
}

void WaitBoard::make(void* memory, int places) {
  auto* bytes = static_cast<std::byte*>(memory);
  new (bytes) Head();
  for (int place = 0; place < places; ++place) {
    new (bytes + WaitBoard::bytes(place)) Place();
  }
}

WaitBoard::WaitBoard(void* memory, int places)
    : head_(static_cast<Head*>(memory)),
      all_(reinterpret_cast<Place*>(static_cast<std::byte*>(memory) +
                                    sizeof(Head))),
      places_(places) {}

WaitBoard::Place& WaitBoard::at(int place) const {
  assert(place >= 0 && place < places_);
  return all_[place];
}

void WaitBoard::enter(int place, int rank, const ProcessMark& mark) {
  Place& own = at(place);
  own.rank.store(rank);
  own.pid.store(mark.pid);
  own.started.store(mark.started);
  own.presence.store(kPresent);
}

void WaitBoard::beat(int place) { at(place).beats.fetch_add(1); }

void WaitBoard::leave(int place) { at(place).presence.store(kLeft); }

bool WaitBoard::present(int place) const {
  return at(place).presence.load() == kPresent;
}

bool WaitBoard::left(int place) const {
  return at(place).presence.load() == kLeft;
}

int WaitBoard::rank(int place) const { return at(place).rank.load(); }

ProcessMark WaitBoard::mark(int place) const {
  return {at(place).pid.load(), at(place).started.load()};
}

std::uint64_t WaitBoard::beats(int place) const {
  return at(place).beats.load();
}

std::string WaitBoard::doing(const Place& place) const {
  std::string text;
  for (const Slot& slot : place.slots) {
    const Summons call = unpacked(slot.call.load());
    if (call.kind == Collective::kNone) continue;
    text += (text.empty() ? "was waiting in " : " and in ") + to_text(call) +
            " on group " + read_text(slot.group);
  }
  if (!text.empty()) return text;
  return place.presence.load() == kLeft ? "had left" : "was computing";
}

std::string WaitBoard::others(int except) const {
  std::string text;
  for (int place = 0; place < places_; ++place) {
    if (place == except || at(place).presence.load() == kAbsent) continue;
    text += (text.empty() ? "rank " : "; rank ") + std::to_string(rank(place)) +
            " " + doing(at(place));
  }
  return text;
}

bool WaitBoard::fail(const std::string& text) {
  if (!claim_failure()) return false;
  tell_failure(text);
  return true;
}

bool WaitBoard::claim_failure() {
  std::uint32_t running = kRunning;
  return head_->state.compare_exchange_strong(running, kClaimed);
}

void WaitBoard::tell_failure(const std::string& text) {
  write_text(head_->failure, text);
  head_->state.store(kTold);
}

bool WaitBoard::failed() const { return head_->state.load() != kRunning; }

std::optional<std::string> WaitBoard::failure() const {
  if (!failed()) return std::nullopt;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (head_->state.load() != kTold) {
    if (std::chrono::steady_clock::now() > end) {
      return "a rank failed, and was gone before it could tell why";
    }
    std::this_thread::yield();
  }
  return read_text(head_->failure);
}

WaitSlot::WaitSlot(WaitBoard& board, int place, const std::string& group) {
  for (WaitBoard::Slot& slot : board.at(place).slots) {
    if (slot.taken.exchange(1) != 0) continue;
    write_text(slot.group, group);
    slot_ = &slot;
    return;
  }
  throw Error(Code::kBadArgument, "rank " + std::to_string(board.rank(place)) +
                                      " made group " + group + " beside " +
                                      std::to_string(WaitBoard::kSlots) +
                                      " others, which is the most at a time");
}

WaitSlot::~WaitSlot() { slot_->taken.store(0); }

void WaitSlot::begin(const Summons& call) { slot_->call.store(packed(call)); }

void WaitSlot::end() { slot_->call.store(0); }

}  // namespace cairn
