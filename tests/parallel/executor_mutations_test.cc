// Programs with a transfer too few, or in the wrong place, are refused twice:
// on paper, before anything runs, and by the machine when they are run all the
// same.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "parallel/sim_world.h"
#include "runtime/error.h"
#include "tests/parallel/composed.h"
#include "tests/parallel/toy_pipeline.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

bool is_transfer(Verb verb) {
  return verb == Verb::kSendOutput || verb == Verb::kReceiveInput ||
         verb == Verb::kSendGradient || verb == Verb::kReceiveGradient;
}
bool is_send(Verb verb) {
  return verb == Verb::kSendOutput || verb == Verb::kSendGradient;
}

// What is said of `work`, if it throws.
std::optional<std::string> words(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  }
  return std::nullopt;
}

// What is found when all ranks run their programs on one machine, unchecked.
struct Ending {
  std::optional<std::string> executor;  // the first rank that complains
  std::optional<std::string> machine;
};

Ending run_unchecked(const Schedule& schedule, const ToyPipeline& pipeline) {
  SimMachine machine{CostModel{}};
  struct Rank {
    std::unique_ptr<Backend> backend;
    std::unique_ptr<MemoryResource> memory;
    std::unique_ptr<World> world;
    std::unique_ptr<ToyRank> toy;
  };
  std::vector<Rank> ranks(static_cast<std::size_t>(schedule.shape.ranks));
  Ending ending;
  for (int r = 0; r < schedule.shape.ranks; ++r) {
    Rank& rank = ranks[static_cast<std::size_t>(r)];
    rank.backend = machine.make_backend(r, 0);
    rank.memory = machine.make_memory(r, rank.backend->memory());
    rank.world = make_sim_world(machine, r, schedule.shape.ranks);
    rank.toy = std::make_unique<ToyRank>(*rank.backend, *rank.memory,
                                         *rank.world, pipeline);
    const auto complaint = words([&] {
      rank.toy->executor().run(schedule.programs[static_cast<std::size_t>(r)]);
    });
    if (!ending.executor) ending.executor = complaint;
  }
  ending.machine = words([&] { machine.solve(); });
  return ending;
}

struct Layout {
  std::string name;
  PipelineShape shape;
};

void PrintTo(const Layout& layout, std::ostream* out) {
  *out << layout.name << " over " << layout.shape.ranks << " ranks";
}

class Mutations : public testing::TestWithParam<Layout> {
 protected:
  Mutations()
      : pipeline_{GetParam().shape, 1,
                  capacity_for(GetParam().name, GetParam().shape)},
        schedule_(with_transfers(
            schedule_named(GetParam().name, GetParam().shape), 1)),
        right_(toy_gradients(pipeline_, schedule_)) {}

  std::optional<std::string> on_paper(const Schedule& schedule) const {
    CheckOptions options;
    options.transfers = true;
    options.channel_capacity = pipeline_.capacity;
    return words([&] { check(schedule, options); });
  }
  Ending when_run(const Schedule& schedule) const {
    return run_unchecked(schedule, pipeline_);
  }

  // Every place of a transfer, by rank and position.
  void at_each_transfer(
      const std::function<void(Program& program, std::size_t at,
                               const Schedule& mutated)>& work) const {
    for (std::size_t r = 0; r < schedule_.programs.size(); ++r) {
      for (std::size_t at = 0; at < schedule_.programs[r].size(); ++at) {
        const Action action = schedule_.programs[r][at];
        if (!is_transfer(action.verb)) continue;
        SCOPED_TRACE("rank " + std::to_string(r) + ", " + to_text(action) +
                     " at " + std::to_string(at));
        Schedule mutated = schedule_;
        work(mutated.programs[r], at, mutated);
      }
    }
  }

  // Transfers bear no names: one that meets another's partner of the same size
  // can be told on paper, and by the numbers it gives.
  void expect_refused_or_wrong(const Schedule& mutated) {
    const Ending ending = when_run(mutated);

    EXPECT_NE(on_paper(mutated), std::nullopt);
    if (ending.executor) {
      ++complaints_;
    } else if (ending.machine) {
      ++hangs_;
    } else {
      ++wrong_;
      EXPECT_NE(toy_gradients(pipeline_, mutated), right_);
    }
  }

  ToyPipeline pipeline_;
  Schedule schedule_;
  std::map<int, std::vector<float>> right_;
  int complaints_ = 0;  // of an executor
  int hangs_ = 0;
  int wrong_ = 0;
};

TEST_P(Mutations, NoneIsRefused) {
  const Ending ending = when_run(schedule_);

  EXPECT_EQ(on_paper(schedule_), std::nullopt);
  EXPECT_EQ(ending.executor, std::nullopt);
  EXPECT_EQ(ending.machine, std::nullopt);
}

TEST_P(Mutations, ATransferThatIsLeftOutIsRefusedByAll) {
  int tried = 0;
  at_each_transfer(
      [&](Program& program, std::size_t at, const Schedule& mutated) {
        program.erase(program.begin() + static_cast<std::ptrdiff_t>(at));

        const Ending ending = when_run(mutated);

        EXPECT_NE(on_paper(mutated), std::nullopt);
        EXPECT_NE(ending.executor, std::nullopt);
        EXPECT_THAT(ending.machine.value_or("nothing"),
                    HasSubstr("the ranks wait for ever: "));
        ++tried;
      });
  EXPECT_GE(tried, 8);
}

// The rank may now wait for what only this send would bring about.
TEST_P(Mutations, ASendThatComesLastIsRefusedOnPaperAndHangsOrHarms) {
  at_each_transfer([&](Program& program, std::size_t at,
                       const Schedule& mutated) {
    const auto from = program.begin() + static_cast<std::ptrdiff_t>(at);
    const bool near_the_end = std::none_of(
        from + 1, program.end(), [](Action a) { return is_transfer(a.verb); });
    if (!is_send(from->verb) || near_the_end) return;
    std::rotate(from, from + 1, program.end());
    expect_refused_or_wrong(mutated);
  });
  EXPECT_GT(hangs_, 0);
}

// Two transfers of one edge.
TEST_P(Mutations, TransfersInEachOthersPlaceAreRefusedOnPaperAndHarm) {
  at_each_transfer(
      [&](Program& program, std::size_t at, const Schedule& mutated) {
        const auto first = program.begin() + static_cast<std::ptrdiff_t>(at);
        const auto next = std::find_if(first + 1, program.end(), [&](Action a) {
          return a.verb == first->verb && a.stage == first->stage;
        });
        if (next == program.end()) return;
        std::iter_swap(first, next);
        expect_refused_or_wrong(mutated);
      });
  EXPECT_GT(complaints_, 0);
  EXPECT_GT(wrong_, 0);
}

INSTANTIATE_TEST_SUITE_P(Layouts, Mutations,
                         testing::Values(Layout{"1f1b", {2, 1, 4}},
                                         Layout{"1f1b", {4, 1, 6}},
                                         Layout{"gpipe", {3, 1, 3}},
                                         Layout{"gpipe", {2, 2, 4}},
                                         Layout{"interleaved", {2, 2, 4}},
                                         Layout{"zb-h1", {3, 1, 5}}),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::erase(name, '-');
                           return name + "_" +
                                  std::to_string(test.param.shape.ranks) + "_" +
                                  std::to_string(test.param.shape.chunks);
                         });

}  // namespace
}  // namespace cairn
