#include "parallel/watch/watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "parallel/watch/process_mark.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::MatchesRegex;

// A process that does nothing, ended with its owner.
class Sleeper {
 public:
  Sleeper() {
    std::string name = "sleep";
    std::string seconds = "600";
    char* arguments[] = {name.data(), seconds.data(), nullptr};
    EXPECT_EQ(
        posix_spawnp(&pid_, "sleep", nullptr, nullptr, arguments, environ), 0);
  }
  ~Sleeper() {
    end();
    waitpid(pid_, nullptr, 0);
  }

  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // What is left is a zombie, as long as its parent does not ask for it.
  void end() {
    kill(pid_, SIGKILL);
    siginfo_t ended;
    waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT);
  }

  ProcessMark mark() const { return process_of(pid_); }

 private:
  pid_t pid_ = 0;
};

struct Memory {
  explicit Memory(int places)
      : words(WaitBoard::bytes(places) / sizeof(std::max_align_t) + 1) {
    WaitBoard::make(words.data(), places);
  }
  WaitBoard board(int places) { return {words.data(), places}; }

  std::vector<std::max_align_t> words;
};

TEST(ProcessMark, TellsALivingProcessFromOneThatEndedOrIsAnother) {
  Sleeper sleeper;
  const ProcessMark mark = sleeper.mark();
  const ProcessMark later{mark.pid, mark.started + 1};

  EXPECT_TRUE(is_alive(this_process()));
  EXPECT_TRUE(is_alive(mark));
  EXPECT_FALSE(is_alive(later));
  sleeper.end();
  EXPECT_FALSE(is_alive(mark));
}

TEST(WaitBoard, TellsWhatEachRankIsDoing) {
  Memory memory(3);
  WaitBoard board = memory.board(3);
  board.enter(0, 4, {});
  board.enter(1, 5, {});
  WaitSlot data(board, 1, "data");
  WaitSlot edge(board, 1, "pipeline 0>1");
  Summons call{Collective::kReceive};
  call.bytes = 4096;

  const Waiting barrier(data, {Collective::kBarrier});
  const Waiting receive(edge, call);

  EXPECT_EQ(board.others(-1),
            "rank 4 was computing; rank 5 was waiting in barrier on group data "
            "and in receive of 4096 bytes on group pipeline 0>1");
  board.leave(0);
  EXPECT_EQ(board.others(1), "rank 4 had left");
}

TEST(WaitBoard, KeepsTheFirstFailure) {
  Memory memory(1);
  WaitBoard board = memory.board(1);

  EXPECT_FALSE(board.failed());
  EXPECT_TRUE(board.fail("first"));
  EXPECT_FALSE(board.fail("second"));
  EXPECT_EQ(board.failure(), "first");
}

TEST(Watcher, TellsOnceOfAProcessThatIsGone) {
  Memory memory(2);
  WaitBoard board = memory.board(2);
  Sleeper sleeper;
  board.enter(0, 0, this_process());
  board.enter(1, 7, sleeper.mark());
  const int pid = sleeper.mark().pid;
  testing::internal::CaptureStderr();
  {
    Watcher watcher(board, 0, std::chrono::hours(1));
    watcher.look();
    EXPECT_FALSE(board.failed());
    sleeper.end();
    while (!board.failed()) std::this_thread::yield();
    watcher.look();
  }
  const std::string told = testing::internal::GetCapturedStderr();

  EXPECT_EQ(told, board.failure().value_or("") + "\n");
  EXPECT_EQ(told, "rank 7 (pid " + std::to_string(pid) + " on " + host_name() +
                      ") is gone; rank 0 was computing\n");
}

TEST(Watcher, SaysNothingOfAProcessThatLeftInOrder) {
  Memory memory(2);
  WaitBoard board = memory.board(2);
  Sleeper sleeper;
  board.enter(0, 0, this_process());
  board.enter(1, 1, sleeper.mark());
  Watcher watcher(board, 0, std::chrono::hours(1));

  board.leave(1);
  sleeper.end();
  watcher.look();

  EXPECT_FALSE(board.failed());
}

// The sleeper lives and never beats.
TEST(Watcher, TellsOfAProcessThatIsSilent) {
  Memory memory(2);
  WaitBoard board = memory.board(2);
  Sleeper sleeper;
  board.enter(0, 0, this_process());
  board.enter(1, 1, sleeper.mark());
  testing::internal::CaptureStderr();
  {
    Watcher watcher(board, 0, milliseconds(1));
    while (!board.failed()) std::this_thread::yield();
  }

  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      MatchesRegex("rank 1 .pid [0-9]+ on .+. is silent for [0-9]+.[0-9]"
                   " s; rank 0 was computing\n"));
}

TEST(Watcher, BlamesAWaitOnTheSilentOrElseTellsTheWait) {
  Memory memory(2);
  WaitBoard board = memory.board(2);
  board.enter(0, 0, this_process());
  board.enter(1, 1, this_process());
  Watcher watcher(board, 0, std::chrono::hours(1));
  testing::internal::CaptureStderr();

  watcher.blame({1}, "rank 0 waited 5 ms in barrier on group data");

  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "rank 0 waited 5 ms in barrier on group data; rank 0 was "
            "computing; rank 1 was computing\n");
}

}  // namespace
}  // namespace cairn
