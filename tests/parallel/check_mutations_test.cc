// The checker is shown faults made on purpose: every single action deleted,
// doubled, and swapped with the next.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <set>

#include "parallel/check.h"
#include "runtime/error.h"
#include "tests/parallel/composed.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

// ---- Which actions depend on each other, told by what they read and write.

struct Effects {
  std::set<std::string> reads;
  std::set<std::string> writes;
};

// Names things: "saved 1 0 2" is what block 2 of stage 1 saved of micro-batch
// 0.
std::string thing(const char* name, int stage, int microbatch = 0,
                  int block = 0) {
  return std::string(name) + " " + std::to_string(stage) + " " +
         std::to_string(microbatch) + " " + std::to_string(block);
}

class Oracle {
 public:
  Oracle(const PipelineShape& shape, const CheckOptions& options)
      : shape_(shape), options_(options) {}

  bool dependent(const Action& first, const Action& second) const {
    const Effects a = effects(first);
    const Effects b = effects(second);
    return meet(a.writes, b.reads) || meet(a.reads, b.writes) ||
           meet(a.writes, b.writes);
  }

 private:
  static bool meet(const std::set<std::string>& a,
                   const std::set<std::string>& b) {
    return std::any_of(a.begin(), a.end(), [&](const std::string& name) {
      return b.contains(name);
    });
  }

  int blocks_of(int stage) const {
    return options_.blocks.empty()
               ? 1
               : options_.blocks.at(static_cast<std::size_t>(stage));
  }

  // What passes from stage to stage, under the name by which a stage on
  // another rank knows it only after a transfer.
  std::string handed(const char* name, int stage, int microbatch,
                     int reader) const {
    const bool same = shape_.rank_of(stage) == shape_.rank_of(reader);
    return thing(name, stage, microbatch, same ? -1 : reader);
  }

  Effects effects(const Action& a) const {
    const int block = std::max<int>(a.block, 0);
    const int top = blocks_of(a.stage) - 1;
    const std::string sum = thing("sum", a.stage, 0, block);
    const std::string whole = thing("whole", a.stage, 0, block);
    Effects e;
    switch (a.verb) {
      case Verb::kForward:
        e.reads = {whole,
                   block == 0
                       ? handed("value", a.stage - 1, a.microbatch, a.stage)
                       : thing("inner", a.stage, a.microbatch, block)};
        // The losses of micro-batches are summed in order, as if by all blocks.
        e.writes = {thing("saved", a.stage, a.microbatch, block),
                    thing("turn", a.stage, 0, block),
                    block == top
                        ? handed("value", a.stage, a.microbatch, a.stage)
                        : thing("inner", a.stage, a.microbatch, block + 1)};
        break;
      case Verb::kBackward:
      case Verb::kBackwardInput:
      case Verb::kBackwardWeight:
        add_backward(a, block, top, e);
        break;
      case Verb::kSendOutput:
        e.reads = {handed("value", a.stage, a.microbatch, a.stage)};
        e.writes = {thing("sends up", a.stage)};
        break;
      case Verb::kReceiveInput:
        e.writes = {handed("value", a.stage - 1, a.microbatch, a.stage),
                    thing("receives up", a.stage)};
        break;
      case Verb::kSendGradient:
        e.reads = {handed("gradient", a.stage, a.microbatch, a.stage)};
        e.writes = {thing("sends down", a.stage)};
        break;
      case Verb::kReceiveGradient:
        e.writes = {handed("gradient", a.stage + 1, a.microbatch, a.stage),
                    thing("receives down", a.stage)};
        break;
      case Verb::kGather:
      case Verb::kDrop:
        e.writes = {whole};
        break;
      case Verb::kReduce:
      case Verb::kSendShared:
        e.writes = {a.verb == Verb::kReduce ? sum
                                            : thing("sum", a.stage, 0, top)};
        break;
      case Verb::kReceiveShared:
        e.writes = {thing("sum", 0)};
        break;
    }
    return e;
  }

  void add_backward(const Action& a, int block, int top, Effects& e) const {
    const std::string half = thing("half", a.stage, a.microbatch, block);
    const std::string saved = thing("saved", a.stage, a.microbatch, block);
    if (a.verb != Verb::kBackwardWeight) {
      e.reads = {saved, thing("whole", a.stage, 0, block),
                 block == top
                     ? handed("gradient", a.stage + 1, a.microbatch, a.stage)
                     : thing("down", a.stage, a.microbatch, block + 1)};
      e.writes = {half, thing("input turn", a.stage, 0, block),
                  block == 0
                      ? handed("gradient", a.stage, a.microbatch, a.stage)
                      : thing("down", a.stage, a.microbatch, block)};
      // A stage's backward needs its forward as a whole: the loss is its last
      // block's, and its output's gradient comes after its output.
      if (block == top) {
        e.reads.insert(handed("value", a.stage, a.microbatch, a.stage));
      }
    }
    if (a.verb != Verb::kBackwardInput) {
      e.reads.insert({half, saved});
      e.writes.insert(thing("sum", a.stage, 0, block));
    }
  }

  const PipelineShape& shape_;
  const CheckOptions& options_;
};

// ---- The cases: every schedule at several shapes, raw and with all passes.

const PipelineShape kShapes[] = {{1, 1, 2}, {2, 1, 1}, {2, 1, 4},
                                 {3, 1, 2}, {4, 1, 6}, {1, 2, 2},
                                 {2, 2, 3}, {3, 2, 6}, {2, 3, 4}};

void for_each_case(const std::function<void(const Composed&)>& work) {
  for (const PipelineShape& shape : kShapes) {
    for (const std::string& name : names_for(shape)) {
      SCOPED_TRACE(name + " of " + std::to_string(shape.ranks) + " ranks, " +
                   std::to_string(shape.chunks) + " chunks, " +
                   std::to_string(shape.microbatches) + " micro-batches");
      work({schedule_named(name, shape), {}});
      work(compose(name, shape,
                   {.receive_ahead = 1,
                    .gather_ahead = 1,
                    .groups = shape.microbatches % 2 == 0 ? 2 : 1,
                    .blocks = uneven_blocks(shape)}));
    }
  }
}

// Calls `work` with each program in turn, which it may change and must restore.
template <typename Work>
void for_each_action(Composed composed, Work work) {
  ASSERT_NO_THROW(check(composed.schedule, composed.options));
  for (std::size_t rank = 0; rank < composed.schedule.programs.size(); ++rank) {
    const Program program = composed.schedule.programs[rank];
    for (std::size_t at = 0; at < program.size(); ++at) {
      work(composed, rank, at);
      composed.schedule.programs[rank] = program;
    }
  }
}

// What check says against the schedule; nothing if it takes it.
std::optional<std::string> refusal(const Composed& composed) {
  try {
    check(composed.schedule, composed.options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  }
  return std::nullopt;
}

std::string rank_text(std::size_t rank) {
  return "rank " + std::to_string(rank) + ", ";
}

TEST(Check, RefusesAScheduleWithAnyActionDeleted) {
  int deleted = 0;
  for_each_case([&](const Composed& original) {
    for_each_action(original, [&](Composed& composed, std::size_t rank,
                                  std::size_t at) {
      Program& program = composed.schedule.programs[rank];
      const Action action = program[at];
      program.erase(program.begin() + static_cast<std::ptrdiff_t>(at));
      ++deleted;

      const auto message = refusal(composed);

      ASSERT_TRUE(message) << rank_text(rank) << "without " << to_text(action);
      ASSERT_THAT(*message, HasSubstr(rank_text(rank)));
      if (action.verb == Verb::kGather || action.verb == Verb::kDrop) return;
      ASSERT_THAT(*message, HasSubstr(to_text(action)));
    });
  });
  EXPECT_GT(deleted, 3000);
}

TEST(Check, RefusesAScheduleWithAnyActionDoubled) {
  int doubled = 0;
  for_each_case([&](const Composed& original) {
    for_each_action(original, [&](Composed& composed, std::size_t rank,
                                  std::size_t at) {
      Program& program = composed.schedule.programs[rank];
      const Action action = program[at];
      program.insert(program.begin() + static_cast<std::ptrdiff_t>(at), action);
      ++doubled;

      const auto message = refusal(composed);

      ASSERT_TRUE(message) << rank_text(rank) << "twice " << to_text(action);
      ASSERT_THAT(*message, HasSubstr(rank_text(rank) + "position " +
                                      std::to_string(at + 1) + " (" +
                                      to_text(action) + ")"));
    });
  });
  EXPECT_GT(doubled, 3000);
}

// Far from where it was: once more at the program's end.
TEST(Check, RefusesAScheduleWithAnyActionRepeatedAtTheEnd) {
  for_each_case([&](const Composed& original) {
    for_each_action(original, [&](Composed& composed, std::size_t rank,
                                  std::size_t at) {
      Program& program = composed.schedule.programs[rank];
      const Action action = program[at];
      program.push_back(action);

      const auto message = refusal(composed);

      ASSERT_TRUE(message) << rank_text(rank) << "again " << to_text(action);
      ASSERT_THAT(*message, HasSubstr(rank_text(rank)));
    });
  });
}

TEST(Check, RefusesAScheduleWithDependentNeighboursSwappedAndNoOther) {
  int dependent = 0;
  int independent = 0;
  int circles = 0;
  for_each_case([&](const Composed& original) {
    const Oracle oracle(original.schedule.shape, original.options);
    for_each_action(
        original, [&](Composed& composed, std::size_t rank, std::size_t at) {
          Program& program = composed.schedule.programs[rank];
          if (at + 1 == program.size()) return;
          const std::string pair =
              to_text(program[at]) + " " + to_text(program[at + 1]);
          const bool depends = oracle.dependent(program[at], program[at + 1]);
          std::swap(program[at], program[at + 1]);

          const auto message = refusal(composed);

          if (depends) {
            ++dependent;
            ASSERT_TRUE(message) << rank_text(rank) << "swapped " << pair;
            ASSERT_THAT(*message, HasSubstr(rank_text(rank) + "position"));
          } else if (message) {
            ++circles;
            ASSERT_THAT(*message, HasSubstr("waiting in a circle"))
                << rank_text(rank) << "swapped " << pair;
          } else {
            ++independent;
          }
        });
  });
  EXPECT_GT(dependent, 1500);
  EXPECT_GT(independent, 1000);
  EXPECT_LT(circles, independent / 10);
}

}  // namespace
}  // namespace cairn
