#include "parallel/passes.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

// Actions to be put into a program, each before the action at its position;
// the program's size is its end. At one position they keep their order.
using Insertions = std::multimap<std::size_t, Action>;

Program merged(const Program& program, const Insertions& insertions) {
  Program out;
  out.reserve(program.size() + insertions.size());
  auto next = insertions.begin();
  for (std::size_t at = 0; at <= program.size(); ++at) {
    for (; next != insertions.end() && next->first == at; ++next) {
      out.push_back(next->second);
    }
    if (at < program.size()) out.push_back(program[at]);
  }
  return out;
}

Action with_verb(Action action, Verb verb) {
  action.verb = verb;
  return action;
}

// Where the program's computing actions stand in it.
std::vector<std::size_t> computing(const Program& program) {
  std::vector<std::size_t> positions;
  for (std::size_t at = 0; at < program.size(); ++at) {
    if (computes(program[at].verb)) positions.push_back(at);
  }
  return positions;
}

bool crosses(const PipelineShape& shape, int stage, int step) {
  const int other = stage + step;
  return other >= 0 && other < shape.stages() &&
         shape.rank_of(other) != shape.rank_of(stage);
}

void require_ahead(int ahead) {
  require(ahead >= 0, "an action cannot be put less than 0 actions ahead");
}

// Refuses a schedule that has, or lacks, actions on single blocks.
void require_cut(const Schedule& schedule, bool cut, const char* pass) {
  for (const Program& program : schedule.programs) {
    for (const Action& action : program) {
      if (!computes(action.verb) || (action.block != kWholeStage) == cut) {
        continue;
      }
      throw Error(Code::kBadArgument,
                  std::string(pass) + " needs a schedule " +
                      (cut ? "cut into blocks" : "of whole stages") +
                      ", not one with " + to_text(action));
    }
  }
}

Program add_transfers(const PipelineShape& shape, const Program& program,
                      std::size_t ahead) {
  const std::vector<std::size_t> positions = computing(program);
  std::map<std::pair<int, int>, std::size_t> forward_of;
  Insertions insertions;
  for (std::size_t k = 0; k < positions.size(); ++k) {
    const std::size_t at = positions[k];
    const Action& action = program[at];
    const bool forward = action.verb == Verb::kForward;
    if (!forward && !gives_input_gradient(action.verb)) continue;
    const int step = forward ? 1 : -1;
    const std::pair<int, int> slot{action.stage, action.microbatch};
    std::size_t earliest = 0;
    if (forward) {
      forward_of[slot] = k;
    } else if (const auto found = forward_of.find(slot);
               found != forward_of.end()) {
      earliest = found->second + 1;
    }
    if (crosses(shape, action.stage, -step)) {
      insertions.emplace(positions[std::max(k - std::min(k, ahead), earliest)],
                         with_verb(action, forward ? Verb::kReceiveInput
                                                   : Verb::kReceiveGradient));
    }
    if (crosses(shape, action.stage, step)) {
      insertions.emplace(
          at + 1,
          with_verb(action, forward ? Verb::kSendOutput : Verb::kSendGradient));
    }
  }
  return merged(program, insertions);
}

// A stage and a block of it.
using Place = std::pair<int, int>;

bool uses_parameters(Verb verb) {
  return verb == Verb::kForward || gives_input_gradient(verb);
}

// For each of the computing actions that uses its block's parameters, the next
// one that does, or 0.
std::vector<std::size_t> next_uses(const Program& program,
                                   const std::vector<std::size_t>& positions) {
  std::map<Place, std::size_t> later;
  std::vector<std::size_t> next(positions.size(), 0);
  for (std::size_t k = positions.size(); k-- > 0;) {
    const Action& action = program[positions[k]];
    if (!uses_parameters(action.verb)) continue;
    std::size_t& use = later[{action.stage, action.block}];
    next[k] = std::exchange(use, k);
  }
  return next;
}

Program add_gathers(const Program& program, std::size_t ahead) {
  const std::vector<std::size_t> positions = computing(program);
  const std::vector<std::size_t> next = next_uses(program, positions);
  const auto slot = [ahead](std::size_t k) { return k - std::min(k, ahead); };
  std::vector<bool> whole(positions.size(), false);
  Insertions insertions;
  for (std::size_t k = 0; k < positions.size(); ++k) {
    const Action& action = program[positions[k]];
    if (!uses_parameters(action.verb)) continue;
    const Action on_block{Verb::kGather, action.stage, 0, action.block};
    if (!whole[k]) insertions.emplace(positions[slot(k)], on_block);
    if (next[k] != 0 && slot(next[k]) <= k + 1) {
      whole[next[k]] = true;
    } else {
      insertions.emplace(positions[k] + 1, with_verb(on_block, Verb::kDrop));
    }
  }
  return merged(program, insertions);
}

// The divisor of `number` nearest to `wanted`; of two, the smaller.
int nearest_divisor(int number, int wanted) {
  int nearest = 1;
  for (int divisor = 2; divisor <= number; ++divisor) {
    if (number % divisor == 0 &&
        std::abs(divisor - wanted) < std::abs(nearest - wanted)) {
      nearest = divisor;
    }
  }
  return nearest;
}

// The position of the last action of the program for which `holds`; the
// program's size if there is none.
template <typename Predicate>
std::size_t last_where(const Program& program, Predicate holds) {
  for (std::size_t at = program.size(); at-- > 0;) {
    if (holds(program[at])) return at;
  }
  return program.size();
}

}  // namespace

Schedule with_transfers(Schedule schedule, int ahead) {
  require_ahead(ahead);
  require_cut(schedule, false, "with_transfers");
  for (Program& program : schedule.programs) {
    program =
        add_transfers(schedule.shape, program, static_cast<std::size_t>(ahead));
  }
  return schedule;
}

Schedule with_blocks(Schedule schedule, const std::vector<int>& blocks) {
  require_cut(schedule, false, "with_blocks");
  require(static_cast<int>(blocks.size()) == schedule.shape.stages(),
          "with_blocks needs one number of blocks for each stage");
  require(std::all_of(blocks.begin(), blocks.end(),
                      [](int count) { return count >= 1; }),
          "with_blocks needs at least one block in each stage");
  for (Program& program : schedule.programs) {
    Program out;
    for (const Action& action : program) {
      if (!computes(action.verb)) {
        out.push_back(action);
        continue;
      }
      const int count = blocks.at(static_cast<std::size_t>(action.stage));
      for (int k = 0; k < count; ++k) {
        const bool forward = action.verb == Verb::kForward;
        out.push_back(action);
        out.back().block =
            static_cast<std::int16_t>(forward ? k : count - 1 - k);
      }
    }
    program = std::move(out);
  }
  return schedule;
}

Schedule with_gathers(Schedule schedule, int ahead) {
  require_ahead(ahead);
  require_cut(schedule, true, "with_gathers");
  for (Program& program : schedule.programs) {
    program = add_gathers(program, static_cast<std::size_t>(ahead));
  }
  return schedule;
}

Schedule with_reductions(Schedule schedule, int groups) {
  const int microbatches = schedule.shape.microbatches;
  if (groups < 1 || microbatches % groups != 0) {
    throw Error(Code::kBadArgument,
                std::to_string(microbatches) +
                    " micro-batches cannot be reduced in " +
                    std::to_string(groups) + " equal groups; the nearest " +
                    "number of groups is " +
                    std::to_string(nearest_divisor(microbatches, groups)));
  }
  const int size = microbatches / groups;
  for (Program& program : schedule.programs) {
    Insertions insertions;
    for (std::size_t at = 0; at < program.size(); ++at) {
      const Action& action = program[at];
      if (gives_weight_gradient(action.verb) &&
          (action.microbatch + 1) % size == 0) {
        insertions.emplace(at + 1, with_verb(action, Verb::kReduce));
      }
    }
    program = merged(program, insertions);
  }
  return schedule;
}

Schedule with_shared(Schedule schedule) {
  const PipelineShape& shape = schedule.shape;
  const int last = shape.stages() - 1;
  if (shape.rank_of(last) == shape.rank_of(0)) return schedule;

  const auto rank = static_cast<std::size_t>(shape.rank_of(last));
  Program& sender = schedule.programs.at(rank);
  int head = kWholeStage;
  for (const Action& action : sender) {
    if (action.stage == last) head = std::max<int>(head, action.block);
  }
  const std::size_t complete = last_where(sender, [&](const Action& action) {
    return gives_weight_gradient(action.verb) && action.stage == last &&
           action.block == head;
  });
  if (complete == sender.size()) return schedule;  // forward only
  sender.insert(sender.begin() + static_cast<std::ptrdiff_t>(complete) + 1,
                {Verb::kSendShared, static_cast<std::int16_t>(last)});

  Program& receiver = schedule.programs.at(0);
  const std::size_t reduced = last_where(receiver, [](const Action& action) {
    return action.verb == Verb::kReduce && action.stage == 0 &&
           action.block <= 0;
  });
  receiver.insert(receiver.begin() + static_cast<std::ptrdiff_t>(reduced),
                  {Verb::kReceiveShared, 0});
  return schedule;
}

}  // namespace cairn
