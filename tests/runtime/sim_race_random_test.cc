// The race check against the plainest way to tell: of programs drawn at random,
// whether two accesses conflict that no path of waits and stream order joins.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "runtime/error.h"
#include "tests/runtime/sim_rank.h"
#include "tests/support/test_seed.h"

namespace cairn {
namespace {

constexpr int kStreams = 3;
constexpr std::int64_t kElements = 6;

// Operation of a stream: an access to [first, end), or a wait for the end of
// another stream as it is then.
struct Step {
  int stream = 0;
  int waits_for = -1;
  std::int64_t first = 0;
  std::int64_t end = 0;
  bool writes = false;
};

std::vector<Step> random_program(std::mt19937_64& random) {
  std::vector<Step> program;
  for (int i = 0; i < 12; ++i) {
    Step step;
    step.stream = static_cast<int>(random() % kStreams);
    if (random() % 2 == 0) {
      step.waits_for = static_cast<int>(random() % kStreams);
    } else {
      step.first = static_cast<std::int64_t>(random() % kElements);
      const auto most = static_cast<std::uint64_t>(kElements - step.first);
      step.end = step.first + 1 + static_cast<std::int64_t>(random() % most);
      step.writes = random() % 3 == 0;
    }
    program.push_back(step);
  }
  return program;
}

// By reachability: before[i][j] is whether step i comes before step j.
bool has_race(const std::vector<Step>& program) {
  const std::size_t n = program.size();
  std::vector<std::vector<bool>> before(n, std::vector<bool>(n));
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      const bool direct = program[i].stream == program[j].stream ||
                          program[i].stream == program[j].waits_for;
      if (!direct) continue;
      before[i][j] = true;
      for (std::size_t h = 0; h < i; ++h) {
        if (before[h][i]) before[h][j] = true;
      }
    }
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      const Step& a = program[i];
      const Step& b = program[j];
      const bool meet = a.first < b.end && b.first < a.end;
      if (meet && (a.writes || b.writes) && !before[i][j]) return true;
    }
  }
  return false;
}

bool finds_race(const std::vector<Step>& program) {
  SimMachine machine(byte_a_nanosecond());
  SimTestRank rank(machine, 0);
  // Not recorded, so that its giving out orders nothing.
  const Tensor x(rank.backend().memory(), rank["0"], Owner::kData, DType::kF32,
                 {kElements});
  float host[kStreams][kElements];
  for (const Step& step : program) {
    const std::string stream = std::to_string(step.stream);
    if (step.waits_for >= 0) {
      rank.wait(stream, std::to_string(step.waits_for));
      continue;
    }
    const TensorView part = x.view().part(step.first, {step.end - step.first});
    if (step.writes) {
      rank.write(stream, part);
    } else {
      rank.backend().download(rank[stream], host[step.stream], part);
    }
  }
  try {
    machine.solve();
  } catch (const Error&) {
    return true;
  }
  return false;
}

TEST(SimRace, IsFoundExactlyWhereNoPathOrdersTwoAccesses) {
  std::mt19937_64 random(test_seed());
  int races = 0;
  constexpr int kPrograms = 3000;

  for (int i = 0; i < kPrograms; ++i) {
    const std::vector<Step> program = random_program(random);
    const bool expected = has_race(program);
    races += expected ? 1 : 0;
    ASSERT_EQ(finds_race(program), expected)
        << "program " << i << ", seed " << test_seed();
  }

  // Both kinds must have been among them.
  EXPECT_GT(races, kPrograms / 20);
  EXPECT_LT(races, kPrograms * 19 / 20);
}

}  // namespace
}  // namespace cairn
