// A Team is the threads that compute one operation of a CPU stream together.
//
// for_each splits work into pieces that the caller cuts by shape alone, never
// by the number of threads; which thread takes which piece does not matter to
// the result. So a run has the same bits on 1 thread and on 64.
//
// Threads: for_each is called from one thread at a time (the stream's), which
// takes part in the work. Every member calls single-threaded libraries only:
// OpenMP's thread count is set to 1 on each.

#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace cairn {

// The members a Team of `threads` has; 0 is every core of the machine.
int team_size(int threads);

class Team {
 public:
  // `threads` counts the caller; 0 is every core of the machine.
  explicit Team(int threads);
  ~Team();

  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls work(piece, member) for each piece in [0, pieces), in any order, on
  // any member in [0, threads()). Returns when all are done; rethrows the first
  // failure.
  template <typename Work>
  void for_each(std::int64_t pieces, const Work& work) {
    run(
        pieces,
        [](const void* w, std::int64_t piece, int member) {
          (*static_cast<const Work*>(w))(piece, member);
        },
        &work);
  }

 private:
  using Call = void (*)(const void*, std::int64_t, int);

  void run(std::int64_t pieces, Call call, const void* work);
  void help(int member);
  void take_pieces(int member);
  void dismiss();

  std::atomic<std::uint32_t> round_ = 0;  // raised to start a round
  std::atomic<std::uint32_t> busy_ = 0;   // helpers still in the round
  std::atomic<std::int64_t> next_ = 0;    // the next piece to take
  std::atomic<bool> stop_ = false;
  std::int64_t pieces_ = 0;
  Call call_ = nullptr;
  const void* work_ = nullptr;
  std::atomic<bool> failed_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> helpers_;
};

}  // namespace cairn
