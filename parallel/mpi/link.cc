#include "parallel/mpi/link.h"

#include <array>
#include <thread>
#include <type_traits>

#include "parallel/mpi/session.h"
#include "parallel/watch/process_mark.h"
#include "runtime/error.h"

namespace cairn {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Who waits for others to come sleeps soon, for the processor is wanted for
// what they wait for. Bytes that are under way move on only while somebody
// looks.
void pause(int polls, bool begun) {
  constexpr int kEager = 100;
  constexpr int kPatient = 1000;
  if (begun || polls < kEager) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(
        std::chrono::microseconds(polls < kPatient ? 50 : 500));
  }
}

milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

using Name = std::array<char, 64>;

Name name_of_board() {
  Name name{};
  const ProcessMark own = this_process();
  const std::string text =
      "/cairn-" + std::to_string(own.pid) + "-" + std::to_string(own.started) +
      "-" + std::to_string(Clock::now().time_since_epoch().count());
  text.copy(name.data(), name.size() - 1);
  return name;
}

}  // namespace

MpiLink::MpiLink(const WorldOptions& options) : timeout_(options.timeout) {
  check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN),
        "MPI_Comm_set_errhandler");
  check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
  share_board();
  watcher_.emplace(*board_, place_, timeout_);
}

// Those of one host open memory that the first of them makes.
void MpiLink::share_board() {
  MPI_Comm host = MPI_COMM_NULL;
  check(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL,
                            &host),
        "MPI_Comm_split_type");
  int here = 0;
  check(MPI_Comm_size(host, &here), "MPI_Comm_size");
  check(MPI_Comm_rank(host, &place_), "MPI_Comm_rank");
  std::vector<int> ranks(static_cast<std::size_t>(here));
  check(MPI_Allgather(&rank_, 1, MPI_INT, ranks.data(), 1, MPI_INT, host),
        "MPI_Allgather");
  places_.assign(static_cast<std::size_t>(size_), -1);
  for (int place = 0; place < here; ++place) {
    places_[static_cast<std::size_t>(ranks[static_cast<std::size_t>(place)])] =
        place;
  }

  Name name{};
  const std::size_t bytes = WaitBoard::bytes(here);
  if (place_ == 0) {
    name = name_of_board();
    memory_.emplace(SharedMemory::create(name.data(), bytes));
    WaitBoard::make(memory_->data(), here);
  }
  check(
      MPI_Bcast(name.data(), static_cast<int>(name.size()), MPI_CHAR, 0, host),
      "MPI_Bcast");
  if (place_ != 0) memory_.emplace(SharedMemory::open(name.data(), bytes));
  board_.emplace(memory_->data(), here);
  board_->enter(place_, rank_, this_process());
  check(MPI_Barrier(host), "MPI_Barrier");
  if (place_ == 0) SharedMemory::remove_name(name.data());
  check(MPI_Comm_free(&host), "MPI_Comm_free");
}

MpiLink::~MpiLink() {
  watcher_.reset();
  board_->leave(place_);
  // Freed where nothing can be under way; MPI may wait for the others in it.
  if (!board_->failed()) MPI_Comm_free(&comm_);
}

std::optional<std::string> MpiLink::lost() {
  if (!board_->failed()) watcher_->look();
  return board_->failure();
}

void MpiLink::wait(Batch& batch, const Group& group, const Summons& call,
                   bool begun) {
  const Clock::time_point begin = Clock::now();
  for (int polls = 0; !batch.done(); ++polls) {
    if (board_->failed() || since(begin) >= timeout_) {
      give_up({group, call, since(begin), batch.pending(), begun});
    }
    pause(polls, begun);
  }
}

void MpiLink::give_up(const Unmet& unmet) {
  const std::string text = to_text(unmet);
  if (!board_->failed()) {
    std::vector<int> places;
    for (const int member : unmet.missing) {
      const int rank = unmet.group.ranks[static_cast<std::size_t>(member)];
      const int place = places_[static_cast<std::size_t>(rank)];
      if (place >= 0) places.push_back(place);
    }
    watcher_->blame(places, text);
  }
  const std::string cause = board_->failure().value_or("");
  if (cause.empty() || cause.starts_with(text)) {
    throw Error(Code::kPeerLost, cause.empty() ? text : cause);
  }
  throw Error(Code::kPeerLost, text + " (" + cause + ")");
}

std::vector<Brought> MpiLink::exchange(const Group& group, int tag,
                                       const Summons& call,
                                       const std::vector<int>& members) {
  static_assert(std::is_trivially_copyable_v<Summons>);
  std::vector<Brought> calls;
  calls.reserve(members.size());
  for (const int member : members) calls.push_back({member, call});
  Batch batch(comm_, group, tag);
  for (Brought& each : calls) {
    if (each.member == group.rank) continue;
    batch.receive(each.member, &each.call, sizeof(Summons));
    batch.send(each.member, &call, sizeof(Summons));
  }
  wait(batch, group, call, /*begun=*/false);
  return calls;
}

}  // namespace cairn
